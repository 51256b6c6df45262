import os

import pytest
import torch

from mirage.training.errors import UsageError
from mirage.training.runs import device
from mirage.training.runs.device import machine_sheet, resolve_device, resolve_precision


def test_auto_uses_cuda_if_available() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_rejects_cuda_if_unavailable() -> None:
    with pytest.raises(UsageError, match="--device is cuda; PyTorch sees no CUDA"):
        resolve_device("cuda")


def test_names_an_unknown_device() -> None:
    with pytest.raises(UsageError, match="--device is tpu; allowed are auto, cpu, cuda"):
        resolve_device("tpu")


def test_uses_the_named_precision() -> None:
    assert resolve_precision("float32") == "float32"
    assert resolve_precision("auto") in ("float32", "bfloat16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_auto_is_bfloat16_on_a_new_gpu() -> None:
    assert resolve_precision("auto", "cuda") == "bfloat16"


def test_describes_the_machine() -> None:
    sheet = machine_sheet()
    assert sheet["cores"] == os.cpu_count()
    assert sheet["torch"] == torch.__version__
    assert sheet["threads"] == torch.get_num_threads()
    assert sheet["processor"]


def test_describes_the_processor_without_linux(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(device, "CPU_INFO", device.Path(str(tmp_path)) / "none")
    assert machine_sheet()["processor"]
