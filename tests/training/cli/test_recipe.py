"""What the flags of a training ask for."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirage.training.auto import SMALL_DATA
from mirage.training.cli.recipe import add_recipe, check_recipe, config_of, facts_of, preset_of
from mirage.training.config import TrainConfig
from mirage.training.data.dataset import Dataset
from mirage.training.errors import UsageError
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import shapes_dataset


def options(run: Path, *flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_recipe(parser)
    parser.add_argument("--run", type=Path)
    common = ["--data", "pictures", "--device", "cpu", "--run", str(run)]
    return parser.parse_args([*common, *flags])


def config(run: Path, *flags: str, data: Dataset | None = None) -> TrainConfig:
    return config_of(options(run, *flags), data or shapes_dataset())


def test_the_default_preset_is_chosen_from_the_data(tmp_path: Path) -> None:
    assert preset_of(options(tmp_path)) == "auto"
    assert config(tmp_path).preset == "auto"


@pytest.mark.parametrize("preset", ["auto", "mnist", "emoji"])
def test_kimg_stretches_the_schedules(tmp_path: Path, preset: str) -> None:
    short = config(tmp_path, "--preset", preset, "--kimg", "0.3")
    whole = config(tmp_path, "--preset", preset)
    assert short.kimg == 0.3
    for name in ("lr", "gamma", "beta2", "ema_half_life_kimg"):
        ours, theirs = getattr(short, name), getattr(whole, name)
        assert ours.to_kimg == pytest.approx(theirs.to_kimg * 0.3 / whole.kimg)
    np.testing.assert_allclose(short.lr.at(300), whole.lr.at(int(1000 * whole.kimg)))


def test_a_run_keeps_its_schedules_when_it_is_made_longer(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    short = config(run.path, "--kimg", "0.3")
    run.write_config(short, {"fingerprint": "f"})
    longer = config(run.path, "--kimg", "0.6")
    assert longer.kimg == 0.6
    assert (longer.lr, longer.schedule_kimg) == (short.lr, 0.3)
    run.check_config(longer, {"fingerprint": "f"})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--kimg", "-1"), "kimg is -1.0"),
        (("--kimg", "inf"), "kimg is inf"),
        (("--kimg", "1e308"), "kimg is 1e.308: Input should be less than or equal to 1000000000"),
        (("--preset", "avatars", "--kimg", "1e18"), "^kimg is 1e.18: [^;]*$"),
        (("--set", "warm_start_kimg=1e306"), "^warm_start_kimg is '1e306': [^;]*$"),
        (("--set", "batch_size=0"), "batch_size is '0'"),
        (("--set", "preset=mnist"), "preset=mnist; preset is recorded .* use --preset"),
        (("--set", "begun_from=toy@1"), "begun_from is recorded .* use --from"),
        (("--set", "schedule_kimg=5"), "schedule_kimg is recorded .* use --kimg"),
    ],
)
def test_settings_are_checked_before_the_data_are_read(
    tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        check_recipe(options(tmp_path, *flags))


def test_flat_areas_are_counted_only_where_they_decide() -> None:
    few = Dataset(np.full((96, 8, 8, 1), 90, np.uint8), None, (), "a" * 64)
    many = replace(few, images=np.full((SMALL_DATA, 8, 8, 1), 90, np.uint8))
    assert facts_of(few, "cpu").flat == 1
    assert facts_of(many, "cpu").flat == 0
