"""Processes that train as one, by `torchrun` on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mirage.training.optim.distributed import (
    any_of,
    average,
    average_gradients,
    rank,
    together,
    world_size,
)
from mirage.training.runs.checkpoint import load_latest
from tests.training.helpers.datasets import tiny_flags, write_idx_folder

STEPS = 10
# Adam would make whole steps of rounding errors, where a gradient is nearly nought.
RECIPE = (
    "generator_optimizer=sgd",
    "discriminator_optimizer=sgd",
    "lr=0.05",
    "augment=flip,translate,cutout,colour",
    "augment_probability=0.5",
    "noise=0.05",
)


def command(data: Path, run: Path, processes: int, steps: int = STEPS, *more: str) -> list[str]:
    launch = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
        "-m",
        "--",
    ]
    train = ["train", "--data", str(data), "--run", str(run), "--threads", "1"]
    flags = [text for change in (*RECIPE, *more) for text in ("--set", change)]
    kimg = str(8 * steps / 1000)
    python = [sys.executable, *(launch if processes > 1 else ["-m"]), "training"]
    return [*python, *train, "--kimg", kimg, *tiny_flags(), *flags, "--device", "cpu"]


def trained(
    folder: Path, processes: int, steps: int = STEPS, name: str = "run", *more: str
) -> dict[str, torch.Tensor]:
    run = folder / f"{name}-{processes}"
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command(folder / "data", run, processes, steps, *more),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    checkpoint = load_latest(run / "checkpoints")
    assert checkpoint["nimg"] == 8 * steps
    parts = checkpoint["players"]
    return {
        f"{part}.{name}": value
        for part in ("generator", "discriminator", "ema")
        for name, value in parts[part].items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "data").mkdir()
    write_idx_folder(folder / "data")
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, torch.Tensor]:
    return trained(folder, 1)


def test_two_processes_train_like_one(folder: Path, alone: dict[str, torch.Tensor]) -> None:
    both = trained(folder, 2)
    assert both.keys() == alone.keys()
    for part in ("generator", "discriminator", "ema"):
        expected, found = (
            torch.cat([value.flatten() for name, value in weights.items() if part in name])
            for weights in (alone, both)
        )
        assert (found - expected).norm() / expected.norm() < 1e-5, part


def test_two_processes_share_the_codes_of_a_warm_start(folder: Path) -> None:
    one, both = (trained(folder, n, 4, "warm", "warm_start_kimg=0.024") for n in (1, 2))
    found, expected = (
        torch.cat([value.flatten() for name, value in weights.items() if "generator" in name])
        for weights in (both, one)
    )
    # Adam makes whole steps of rounding errors where a gradient is nearly nought, so not 1e-5
    assert (found - expected).norm() / expected.norm() < 1e-3


def test_one_process_writes_for_both(folder: Path, alone: dict[str, torch.Tensor]) -> None:
    files = [
        sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
        for run in (folder / "run-1", folder / "run-2")
    ]
    assert files[0] == files[1]
    lines = [
        [
            json.loads(line)["nimg"]
            for line in (folder / name / "stats.jsonl").read_text().splitlines()
        ]
        for name in ("run-1", "run-2")
    ]
    assert lines[0] == lines[1]


def test_a_restart_resumes_from_the_last_checkpoint(
    folder: Path, alone: dict[str, torch.Tensor]
) -> None:
    longer = trained(folder, 2, steps=STEPS + 2)
    assert any(not torch.equal(longer[name], value) for name, value in alone.items())


def test_a_batch_that_cannot_be_divided_is_a_usage_error(folder: Path) -> None:
    done = subprocess.run(
        command(folder / "data", folder / "odd", 2, STEPS, "batch_size=7"),
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "batch_size is 7; 2 processes need a multiple" in done.stderr


IN_STEP = """
import os, signal, sys
from mirage.training.__main__ import main
from mirage.training.runs.step import Step

play = Step.__call__

def play_until(self, nimg, *batches):
    if nimg == 40 and os.environ["RANK"] == "1":
        {happening}
    return play(self, nimg, *batches)

Step.__call__ = play_until
raise SystemExit(main(sys.argv[1:]))
"""


def launched(folder: Path, name: str, happening: str) -> tuple[int, Path]:
    """Two processes, in the second of which something happens in the sixth step."""
    script, run = folder / f"{name}.py", folder / name
    script.write_text(IN_STEP.format(happening=happening))
    whole = command(folder / "data", run, 2)
    start = whole.index("-m", 2)
    done = subprocess.run(
        [*whole[:start], "--", str(script), *whole[whole.index("train") :]],
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, run


def test_a_signal_to_any_process_stops_all_with_a_checkpoint(folder: Path) -> None:
    code, run = launched(folder, "stopped", "os.kill(os.getpid(), signal.SIGTERM)")
    assert code == 0
    assert load_latest(run / "checkpoints")["nimg"] == 48


def test_a_failing_process_ends_all(folder: Path) -> None:
    code, run = launched(folder, "failed", "raise SystemExit(9)")
    assert code != 0
    assert load_latest(run / "checkpoints")["nimg"] <= 40


def test_one_process_is_trivial() -> None:
    with together():
        assert (rank(), world_size()) == (0, 1)
        value = torch.ones(2)
        assert average(value) is value
        assert any_of(True)
        assert not any_of(False)
        network = torch.nn.Linear(2, 1)
        network(value).sum().backward()
        before = network.weight.grad.clone()
        average_gradients(network)
        assert torch.equal(network.weight.grad, before)
