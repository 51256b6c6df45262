import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mirage.training.config import build_config
from mirage.training.errors import DataError
from mirage.training.runs import loop
from mirage.training.runs.checkpoint import (
    checkpoints,
    load_latest,
    load_snapshot,
    save_checkpoint,
)
from mirage.training.runs.device import resolve_precision
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from mirage.training.tasks.samples import generate
from tests.training.helpers.datasets import TINY, shapes_dataset, tiny_flags, write_idx_folder

KIMG = 0.096  # twelve steps of eight images
KILL_IN_STEP = """
import os, signal, sys
from mirage.training.__main__ import main
from mirage.training.runs.step import Step

play = Step.__call__

def play_until(self, nimg, *batches):
    if nimg == {nimg}:
        os.kill(os.getpid(), signal.{signal})
    return play(self, nimg, *batches)

Step.__call__ = play_until
raise SystemExit(main(sys.argv[1:]))
"""


def arguments(data: Path, run: Path) -> list[str]:
    command = ["train", "--data", str(data), "--run", str(run), "--kimg", str(KIMG)]
    return [*command, *tiny_flags()]


def run_training(data: Path, run: Path, kill: tuple[int, str] | None = None) -> int:
    code = KILL_IN_STEP.format(nimg=kill[0] if kill else -1, signal=kill[1] if kill else "SIGTERM")
    command = [sys.executable, "-c", code, *arguments(data, run), "--threads", "1"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(data.parent / "cache")}
    return subprocess.run(command, env=environment, capture_output=True, timeout=300).returncode


def final_state(run: Path) -> dict[str, torch.Tensor]:
    parts = load_latest(run / "checkpoints")["players"]
    return {
        f"{part}.{name}": value for part, state in parts.items() for name, value in _tensors(state)
    }


def _tensors(state: dict) -> list[tuple[str, torch.Tensor]]:
    if "state" not in state:
        return list(state.items())
    return [(f"{k}.{n}", v) for k, inner in state["state"].items() for n, v in inner.items()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("unbroken")
    data = folder / "data"
    data.mkdir()
    write_idx_folder(data)
    assert run_training(data, folder / "run") == 0
    return data, folder / "run"


@pytest.mark.parametrize("killed_at", [8, 40, 88])
def test_a_killed_run_resumes_bit_identically(
    tmp_path: Path, unbroken: tuple[Path, Path], killed_at: int
) -> None:
    data, whole = unbroken
    assert run_training(data, tmp_path / "run", kill=(killed_at, "SIGKILL")) == -signal.SIGKILL
    assert run_training(data, tmp_path / "run") == 0
    expected, state = final_state(whole), final_state(tmp_path / "run")
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert [line["nimg"] for line in read_stats(tmp_path / "run")] == [
        line["nimg"] for line in read_stats(whole)
    ]


def test_sigterm_saves_and_exits(tmp_path: Path, unbroken: tuple[Path, Path]) -> None:
    data, whole = unbroken
    assert run_training(data, tmp_path / "run", kill=(40, "SIGTERM")) == 0
    assert load_latest(tmp_path / "run" / "checkpoints")["nimg"] == 48
    assert run_training(data, tmp_path / "run") == 0
    expected, state = final_state(whole), final_state(tmp_path / "run")
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def read_stats(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def test_writes_statistics_grids_and_a_snapshot(unbroken: tuple[Path, Path]) -> None:
    _, run = unbroken
    lines = read_stats(run)
    assert lines[-1]["nimg"] == 96
    assert {"kimg_per_s", "d_loss", "g_loss", "r1", "r2", "lr", "gamma"} <= lines[-1].keys()
    with Image.open(run / "samples" / "000000096.png") as grid:
        assert grid.size == (80, 80)
    assert load_snapshot(Run(run).latest_snapshot()).nimg == 96


def test_learns_the_classes(tmp_path: Path) -> None:
    changes = {
        **TINY,
        "batch_size": 16,
        "lr": 2e-3,
        "kimg": 8,
        "gamma": 0.1,
        "beta2": 0.99,
        "snapshot_kimg": 8,
        "checkpoint_kimg": 8,
    }
    run = train(build_config("mnist", changes), shapes_dataset(), tmp_path / "run", threads=1)
    snapshot = load_snapshot(run.latest_snapshot())
    latents = np.random.default_rng(1).standard_normal((40, 8), np.float32)
    images = generate(snapshot.generator, latents, np.arange(40) % 2).astype(float)
    left, right = images[:, :, :4].sum((1, 2, 3)), images[:, :, 4:].sum((1, 2, 3))
    assert np.mean((right > left) == (np.arange(40) % 2 == 1)) > 0.9


def test_auto_precision_is_resolved_and_recorded(tmp_path: Path) -> None:
    config = build_config("mnist", {**TINY, "precision": "auto", "kimg": 0.008})
    run = train(config, shapes_dataset(), tmp_path / "run", threads=1)
    assert run.read_config()[0].precision == resolve_precision("auto")
    assert resolve_precision("auto") in ("float32", "bfloat16")


def test_skips_a_checkpoint_of_other_networks(tmp_path: Path) -> None:
    config = build_config("mnist", {**TINY, "kimg": 0.016})
    run = train(config, shapes_dataset(), tmp_path / "run", threads=1)
    other = build_config("mnist", {**TINY, "kimg": 0.008, "widths": [8, 8]})
    strange = train(other, shapes_dataset(), tmp_path / "other", threads=1)
    [path] = list(checkpoints(strange.checkpoints))[:1]
    path.rename(run.checkpoints / "checkpoint-000000024.pt")
    config = build_config("mnist", {**TINY, "kimg": 0.032})
    with pytest.warns(UserWarning, match="checkpoint-000000024.pt is damaged and skipped"):
        train(config, shapes_dataset(), tmp_path / "run", threads=1)
    whole = train(config, shapes_dataset(), tmp_path / "whole", threads=1)
    state, expected = final_state(tmp_path / "run"), final_state(whole.path)
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def damaged_run(folder: Path) -> Run:
    """A run of 16 images; its two checkpoints cannot be read."""
    run = train(build_config("mnist", {**TINY, "kimg": 0.032}), shapes_dataset(), folder, threads=1)
    for path in checkpoints(run.checkpoints):
        path.write_bytes(b"")
    return run


@pytest.mark.filterwarnings("ignore:checkpoint-.* is damaged")
def test_does_not_restart_without_a_usable_checkpoint_unless_allowed(tmp_path: Path) -> None:
    config = build_config("mnist", {**TINY, "kimg": 0.016})
    run = damaged_run(tmp_path)
    statistics = run.stats_file.read_bytes()
    with pytest.raises(DataError, match="--allow-restart"):
        train(config, shapes_dataset(), run.path, threads=1)
    assert run.stats_file.read_bytes() == statistics
    train(config, shapes_dataset(), run.path, threads=1, allow_restart=True)
    assert load_latest(run.checkpoints)["nimg"] == 16
    assert {path.name for path in run.checkpoints.glob("*.damaged")} == {
        "checkpoint-000000016.pt.damaged",
        "checkpoint-000000032.pt.damaged",
    }
    assert [line["nimg"] for line in read_stats(run.path)] == [16]


def test_a_run_that_was_killed_after_a_checkpoint_remembers_all_looks_of_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_and_end(*arguments: Any) -> None:
        save_checkpoint(*arguments)
        if arguments[1] == 16:
            raise KeyboardInterrupt

    config, run = build_config("mnist", {**TINY, "kimg": 0.032}), Run(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", save_and_end)
        with pytest.raises(KeyboardInterrupt):
            train(config, shapes_dataset(), run.path, threads=1)
    train(config, shapes_dataset(), run.path, threads=1)
    looks = json.loads(run.watchdog_file.read_bytes())["signs"]["margin"]["seen"]
    assert [nimg for nimg, _ in looks] == [16, 32]


def test_resumes_after_a_power_loss_left_zeros_in_the_statistics(tmp_path: Path) -> None:
    def trained(name: str, kimg: float) -> Run:
        config = build_config("mnist", {**TINY, "kimg": kimg})
        return train(config, shapes_dataset(), tmp_path / name, threads=1)

    whole, run = trained("whole", 0.032), trained("run", 0.016)
    with run.stats_file.open("ab") as file:
        file.write(b"\0" * 512)
    trained("run", 0.032)
    ours, expected = final_state(run.path), final_state(whole.path)
    assert all(torch.equal(ours[name], expected[name]) for name in expected)
    assert b"\0" not in run.stats_file.read_bytes()
    assert [line["nimg"] for line in read_stats(run.path)] == [16, 32]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
def test_a_full_disk_is_reported_and_training_can_resume(tmp_path: Path) -> None:
    config = build_config("mnist", {**TINY, "kimg": 0.032})
    run = Run(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    (run.checkpoints / ".checkpoint-000000032.pt").symlink_to("/dev/full")
    with pytest.raises(DataError, match="is full; free some space"):
        train(config, shapes_dataset(), run.path, threads=1)
    assert load_latest(run.checkpoints)["nimg"] == 16
    train(config, shapes_dataset(), run.path, threads=1)
    assert load_latest(run.checkpoints)["nimg"] == 32


def test_augmentation_and_further_averages_resume_bit_identically(tmp_path: Path) -> None:
    changes = {
        **TINY,
        "augment": "flip,translate",
        "augment_target": 0.9,
        "augment_probability": 0.4,
        "augment_speed_kimg": 0.2,
        "further_half_lives_kimg": "0.01,0.05",
    }
    for name, kimgs in (("broken", (0.024, 0.048)), ("whole", (0.048,))):
        for kimg in kimgs:
            config = build_config("mnist", {**changes, "kimg": kimg})
            train(config, shapes_dataset(), tmp_path / name, threads=1)
    states = [load_latest(tmp_path / name / "checkpoints") for name in ("broken", "whole")]
    assert states[0]["players"]["strength"] == states[1]["players"]["strength"]
    assert 0.1 < states[0]["players"]["strength"]["adapted"] < 0.4
    for average in ("ema-0.01", "ema-0.05"):
        one, other = (state["players"][average] for state in states)
        assert all(torch.equal(one[name], value) for name, value in other.items())
