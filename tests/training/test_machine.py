import os

import pytest
import torch

from mirage.training import machine
from mirage.training.machine import machine_sheet


def test_tells_what_training_runs_on() -> None:
    sheet = machine_sheet()
    assert sheet["cores"] == os.cpu_count()
    assert sheet["torch"] == torch.__version__
    assert sheet["threads"] == torch.get_num_threads()
    assert sheet["processor"]


def test_knows_something_of_the_processor_where_linux_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(machine, "CPU_INFO", machine.Path(str(tmp_path)) / "none")
    assert machine_sheet()["processor"]
