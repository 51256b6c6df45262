"""Processes that train as one, by `torchrun` on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mirage.training.runs.checkpoint import load_latest
from tests.training.helpers.datasets import tiny_flags, write_idx_folder, write_image_folder

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
    """The weights after a training that succeeds."""
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
    return weights_of(run, steps)


def weights_of(run: Path, steps: int = STEPS) -> dict[str, torch.Tensor]:
    """The weights in the last checkpoint, which must be after so many steps."""
    checkpoint = load_latest(run / "checkpoints")
    assert checkpoint["nimg"] == 8 * steps
    parts = checkpoint["players"]
    return {
        f"{part}.{name}": value
        for part in ("generator", "discriminator", "ema")
        for name, value in parts[part].items()
    }


def distance(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], part: str) -> float:
    """The relative distance of the weights of a network."""
    a, b = (
        torch.cat([value.flatten() for name, value in weights.items() if part in name])
        for weights in (found, expected)
    )
    return float((a - b).norm() / b.norm())


def statistics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "data").mkdir()
    write_idx_folder(folder / "data")
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, torch.Tensor]:
    return trained(folder, 1)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_train_like_one(
    folder: Path, alone: dict[str, torch.Tensor], processes: int
) -> None:
    """Also three, of which one has two images of the eight and the others have three."""
    several = trained(folder, processes)
    assert several.keys() == alone.keys()
    for part in ("generator", "discriminator", "ema"):
        assert distance(several, alone, part) < 1e-5, part
    expected, found = (statistics(folder / f"run-{count}") for count in (1, processes))
    for line, other in zip(expected, found, strict=True):
        assert {**other, "kimg_per_s": 0} == pytest.approx({**line, "kimg_per_s": 0}, rel=1e-3)


def test_processes_share_the_codes_of_a_warm_start(folder: Path) -> None:
    one, both = (trained(folder, n, 4, "warm", "warm_start_kimg=0.024") for n in (1, 2))
    # Adam makes whole steps of rounding errors where a gradient is nearly nought, so not 1e-5
    assert distance(both, one, "generator") < 1e-3


def test_one_process_writes_for_both(folder: Path, alone: dict[str, torch.Tensor]) -> None:
    files = [
        sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
        for run in (folder / "run-1", folder / "run-2")
    ]
    assert files[0] == files[1]


def test_a_batch_with_less_than_an_image_each_is_a_usage_error(folder: Path) -> None:
    done = subprocess.run(
        command(folder / "data", folder / "small", 3, STEPS, "batch_size=2"),
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "batch_size is 2; 3 processes need at least one image each" in done.stderr


IN_STEP = """
import os, signal, sys
from pathlib import Path
from mirage.training.__main__ import main
from mirage.training.runs.step import Step

play = Step.__call__
command = sys.argv[1:]
if os.environ["RANK"] == "1":
    {before}

def play_until(self, nimg, *batches):
    if nimg == 40 and os.environ["RANK"] == "1":
        {happening}
    return play(self, nimg, *batches)

Step.__call__ = play_until
raise SystemExit(main(command))
"""


def launched(
    folder: Path, name: str, happening: str = "pass", before: str = "pass", steps: int = STEPS
) -> tuple[int, Path, str]:
    """Two processes, in the second of which something happens in the sixth step, or before all.

    Returns the exit code of `torchrun`, the folder of the run, and what was printed to stderr.
    """
    script, run = folder / f"{name}.py", folder / name
    script.write_text(IN_STEP.format(happening=happening, before=before))
    whole = command(folder / "data", run, 2, steps)
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
    return done.returncode, run, done.stderr


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs Linux's /proc")
def test_the_threads_of_the_group_end_before_the_process(folder: Path) -> None:
    """Threads that outlive the interpreter make the process abort, now and then."""
    names = "[file.read_text() for file in Path('/proc/self').glob('task/*/comm')]"
    before = f"import atexit; atexit.register(lambda: print('threads', {names}, file=sys.stderr))"
    code, _, told = launched(folder, "leaving", before=before, steps=2)
    assert code == 0, told[-3000:]
    (threads_at_exit,) = [line for line in told.splitlines() if line.startswith("threads")]
    assert "gloo" not in threads_at_exit


def test_a_signal_to_any_process_stops_all_with_a_checkpoint_and_an_error(folder: Path) -> None:
    twice = "[os.kill(os.getpid(), signal.SIGTERM) for _ in range(2)]"
    code, run, told = launched(folder, "stopped", twice)
    assert code != 0
    assert "error: stopped after 0.048 of 0.08 kimg; the same command resumes" in told
    assert load_latest(run / "checkpoints")["nimg"] == 48


def test_only_one_process_uses_the_folder_of_the_run(folder: Path) -> None:
    """Also when the training is resumed, here after half of its steps."""
    elsewhere = folder / "elsewhere"
    before = f"command[command.index('--run') + 1] = {str(elsewhere)!r}"
    for steps in (STEPS // 2, STEPS):
        code, run, told = launched(folder, "apart", before=before, steps=steps)
        assert code == 0, told[-3000:]
    assert not elsewhere.exists()
    weights_of(run)


def test_processes_with_other_data_are_a_usage_error(folder: Path) -> None:
    write_image_folder(folder / "others")
    before = f"command[command.index('--data') + 1] = {str(folder / 'others')!r}"
    code, _, told = launched(folder, "mixed", before=before)
    assert code != 0
    assert "error: process 1 has other data than process 0: fingerprint " in told


def test_a_failing_process_ends_all(folder: Path) -> None:
    code, run, _ = launched(folder, "failed", "raise SystemExit(9)")
    assert code != 0
    assert load_latest(run / "checkpoints")["nimg"] <= 40
