"""What the GPU's benchmark says of its rows, and without a GPU."""

import json
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from benchmarks.serving.gpu_plot import plot_gpu

PROGRAM = Path(__file__).parents[2] / "benchmarks/gpu.py"
KIND = {"model": "rgb32", "precision": "float16", "recorded": True}
ROWS = [
    {**KIND, "part": "engine", "batch": 1, "images_s": 1000.0},
    {**KIND, "part": "engine", "batch": 32, "images_s": 9000.0},
    {**KIND, "part": "compiled", "batch": 32, "images_s": 8000.0},
    {"model": "rgb32", "part": "served", "clients": 64, "images": 1, "images_s": 900.0},
]


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="there may be a GPU"
)
def test_without_a_gpu_all_is_left_out() -> None:
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, check=True)
    assert "CUDA" in json.loads(done.stdout.splitlines()[-1])["left_out"]


def test_rows_become_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `bench`")
    plot_gpu(ROWS, tmp_path / "gpu.jsonl")
    assert (tmp_path / "gpu.png").read_bytes()[:4] == b"\x89PNG"
