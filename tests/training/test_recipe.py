from typing import Any

import pytest

from mirage.training.config import build_config
from mirage.training.presets import PRESETS
from mirage.training.stretch import stretched


def test_another_length_stretches_all_schedules_of_a_preset() -> None:
    config = build_config("avatars", {"kimg": 56}, schedule_kimg=56)
    preset = build_config("avatars", {})
    assert preset.kimg == 560
    for name in ("gamma", "lr", "ema_half_life_kimg"):
        ours, theirs = getattr(config, name), getattr(preset, name)
        assert ours.to_kimg == pytest.approx(theirs.to_kimg / 10)
        assert ours.from_kimg == pytest.approx(theirs.from_kimg / 10)
    assert config.warm_start_kimg == pytest.approx(preset.warm_start_kimg / 10)
    assert config.augment_speed_kimg == pytest.approx(preset.augment_speed_kimg / 10)
    assert config.ema_half_life_kimg.end == pytest.approx(preset.ema_half_life_kimg.end / 10)
    assert (config.lr.start, config.gamma.end) == (preset.lr.start, preset.gamma.end)


def test_a_following_schedule_is_stretched_like_the_first() -> None:
    schedule = build_config("avatars", {}, schedule_kimg=56).ema_half_life_kimg
    whole = build_config("avatars", {}).ema_half_life_kimg
    for kimg in (0, 8, 50, 107.9, 108, 250, 408):  # without a jump where one follows the other
        assert schedule.at(round(100 * kimg)) == pytest.approx(whole.at(round(1000 * kimg)) / 10)


def test_values_that_are_no_times_keep_their_size_in_a_following_schedule() -> None:
    then = {"start": 2e-4, "end": 1e-5, "from_kimg": 800, "to_kimg": 900}
    recipe = {"kimg": 800, "lr": {"start": 1e-3, "end": 1e-6, "to_kimg": 800, "then": then}}
    assert stretched(recipe, 400)["lr"]["then"] == then | {"from_kimg": 400, "to_kimg": 450}


def parts(value: Any, path: str = "") -> dict[str, Any]:
    """The single values of a recipe, by path."""
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for key, inner in value.items() for k, v in parts(inner, f"{path}.{key}").items()}


@pytest.mark.parametrize("recipe", PRESETS.values(), ids=PRESETS)
def test_only_times_are_stretched(recipe: dict[str, Any]) -> None:
    before, after = parts(recipe), parts(stretched(recipe, recipe["kimg"] / 4))
    kept = ("status_kimg", "snapshot_kimg", "checkpoint_kimg")
    times = {
        path
        for path, value in before.items()
        if value and ("_kimg" in path or path == ".kimg") and not path.endswith(kept)
    }
    assert {path for path, value in before.items() if after[path] != value} == times


def test_the_own_length_changes_nothing() -> None:
    for name in PRESETS:
        preset = build_config(name, {})
        same = build_config(name, {}, schedule_kimg=preset.kimg)
        assert same.model_copy(update={"schedule_kimg": None}) == preset


def test_phases_of_upscalers_keep_their_times() -> None:
    longer = build_config("photo-x4", {"kimg": 900}, schedule_kimg=900)
    assert longer.adversarial_ratio == build_config("photo-x4", {}).adversarial_ratio


def test_settings_are_not_stretched() -> None:
    config = build_config("mnist", {"lr.to_kimg": "7"}, schedule_kimg=18)
    assert config.lr.to_kimg == 7
