import json
from pathlib import Path

import numpy as np
import pytest

from mirage.training.config import build_config
from mirage.training.errors import CollapseError, DataError
from mirage.training.limits import Limits
from mirage.training.runs.checkpoint import load_latest, load_snapshot
from mirage.training.runs.loop import train
from mirage.training.runs.monitor import SIGNS, Watchdog
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY, shapes_dataset

HEALTHY = {
    "margin": 1.0,
    "r1": 0.5,
    "r2": 0.6,
    "d_gradient": 2.0,
    "g_gradient": 1.0,
    "spread": 0.9,
    "entropy": 0.95,
    "gain": 1.2,
}


def dog(
    folder: Path, loss: str = "relativistic", resumed_at: int = 0, **limits: object
) -> Watchdog:
    return Watchdog(folder / "watchdog.json", Limits(**limits), loss, resumed_at)


def written(folder: Path) -> dict:
    return json.loads((folder / "watchdog.json").read_text())


def test_a_healthy_run_is_not_stopped_and_recorded(tmp_path: Path) -> None:
    watchdog = dog(tmp_path)
    for look in range(100):
        watchdog.look(look * 2000, HEALTHY)
    watchdog.write()
    content = written(tmp_path)
    assert content["first_sign"] is None
    assert set(content["signs"]) == set(SIGNS) - {"finite"}
    assert len(content["signs"]["margin"]["seen"]) == 100


@pytest.mark.parametrize(
    ("sign", "statistics"),
    [
        ("margin", {"margin": 80.0}),
        ("r1_to_r2", {"r1": 100.0, "r2": 1.0}),
        ("r1_to_r2", {"r1": 1.0, "r2": 100.0}),
        ("d_gradient", {"d_gradient": 1e6}),
        ("g_gradient", {"g_gradient": 1e6}),
        ("g_gradient", {"g_gradient": 0.0}),
        ("spread", {"spread": 0.05}),
        ("entropy", {"entropy": 0.2}),
        ("gain", {"gain": -3.5}),
    ],
)
def test_each_signal_stops_a_run_after_its_patience_with_advice(
    tmp_path: Path, sign: str, statistics: dict[str, float]
) -> None:
    watchdog = dog(tmp_path)
    bad = HEALTHY | statistics
    watchdog.look(98_000, HEALTHY)
    watchdog.look(100_000, bad)
    watchdog.look(102_000, bad)
    with pytest.raises(CollapseError, match=f"stopped after 104 kimg: {sign} was") as error:
        watchdog.look(104_000, bad)
    assert error.value.exit_code == 6
    assert SIGNS[sign][1] in str(error.value)
    assert watchdog.healthy_until == 98_000
    watchdog.write()
    alarm = written(tmp_path)["first_sign"]
    assert (alarm["sign"], alarm["nimg"], alarm["advice"]) == (sign, 104_000, SIGNS[sign][1])


def test_a_signal_within_its_limits_resets_the_count(tmp_path: Path) -> None:
    watchdog = dog(tmp_path)
    for look in range(50):
        watchdog.look(100_000 + look, HEALTHY | {"margin": 80.0 if look % 3 else 1.0})
    assert watchdog.healthy_until == 100_048


def test_diversity_is_not_checked_early(tmp_path: Path) -> None:
    watchdog = dog(tmp_path, from_kimg=50)
    for look in range(10):
        watchdog.look(look * 4000, HEALTHY | {"spread": 0.0, "entropy": 0.0})
    assert watchdog.healthy_until == 36_000


def test_the_margin_is_checked_only_for_logistic_losses(tmp_path: Path) -> None:
    watchdog = dog(tmp_path, loss="wasserstein")
    for look in range(10):
        watchdog.look(100_000 + look, HEALTHY | {"margin": 1000.0})


def test_can_be_disabled(tmp_path: Path) -> None:
    watchdog = dog(tmp_path, off=True)
    for look in range(10):
        watchdog.look(100_000 + look, HEALTHY | {"margin": 80.0})


def test_a_resumed_run_restores_its_history_up_to_the_checkpoint(tmp_path: Path) -> None:
    watchdog = dog(tmp_path)
    for nimg in (1000, 2000, 3000):
        watchdog.look(nimg, HEALTHY)
    watchdog.write()
    resumed = dog(tmp_path, resumed_at=2000)
    resumed.look(3000, HEALTHY)
    resumed.write()
    assert [nimg for nimg, _ in written(tmp_path)["signs"]["margin"]["seen"]] == [1000, 2000, 3000]


def test_a_resumed_run_continues_counting(tmp_path: Path) -> None:
    watchdog = dog(tmp_path)
    watchdog.look(100_000, HEALTHY)
    watchdog.look(102_000, HEALTHY | {"margin": 80.0})
    watchdog.look(104_000, HEALTHY | {"margin": 80.0})
    watchdog.write()
    resumed = dog(tmp_path, resumed_at=104_000)
    assert resumed.healthy_until == 100_000
    with pytest.raises(CollapseError, match="stopped after 106 kimg: margin was 80, most 50"):
        resumed.look(106_000, HEALTHY | {"margin": 80.0})


def test_nan_is_beyond_every_limit(tmp_path: Path) -> None:
    watchdog = dog(tmp_path, patience=1)
    with pytest.raises(CollapseError, match="margin was nan"):
        watchdog.look(1000, HEALTHY | {"margin": float("nan")})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"signs": {"margin": 3}}'])
def test_ignores_a_damaged_history(tmp_path: Path, content: str) -> None:
    (tmp_path / "watchdog.json").write_text(content)
    watchdog = dog(tmp_path, resumed_at=500)
    assert watchdog.healthy_until == 500
    watchdog.look(1000, HEALTHY)


# Runs that really fail

NO_IMAGES = {"watch.entropy": 0.0, "watch.spread": 0.0}
"""Looks at the discriminator alone."""


@pytest.mark.parametrize(
    ("sign", "changes"),
    [
        ("finite", {"lr": 1.0}),
        ("entropy", {"lr": 0.02, "gamma": 1e4}),
        ("g_gradient", {"lr": 0.3, "gamma": 0.0, "loss": "hinge"}),
        # its images go at the same time, and which of the signs is first is a matter of rounding
        ("margin", {"lr": 0.03, "gamma": 0.0, "loss": "saturating", **NO_IMAGES}),
    ],
    ids=["a huge step", "a crushing penalty", "no penalty", "a saturated discriminator"],
)
def test_stops_and_records_a_failing_run(
    tmp_path: Path, sign: str, changes: dict[str, object]
) -> None:
    settings = {**TINY, "kimg": 3, "watch.from_kimg": 0.2, "beta2": 0.99, "keep_checkpoints": 1}
    config = build_config("mnist", {**settings, **changes, "ema_half_life_kimg": 0.02})
    if sign == "finite":  # no step that may be set overflows
        huge = config.lr.model_copy(update={"start": 3e6, "end": 3e6})
        config = config.model_copy(update={"lr": huge})
    with pytest.raises(CollapseError, match=r"stopped after .* kimg"):
        train(config, shapes_dataset(), tmp_path / "run", threads=1)
    run = Run(tmp_path / "run")
    assert written(run.path)["first_sign"]["sign"] == sign
    aside = sorted((run.snapshots / "unhealthy").glob("*.safetensors"))
    assert aside
    healthy = load_snapshot(run.latest_snapshot())
    assert healthy.nimg < int(aside[0].stem)
    assert all(np.isfinite(p.detach().numpy()).all() for p in healthy.generator.parameters())
    assert healthy.nimg <= load_latest(run.checkpoints)["nimg"] < int(aside[0].stem)


def test_without_a_healthy_snapshot_there_is_no_result(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.snapshot_path(8).write_bytes(b"")
    run.set_aside(0)
    with pytest.raises(DataError, match="no snapshot"):
        run.latest_snapshot()
