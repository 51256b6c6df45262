import pytest

from mirage.training.config import build_config
from mirage.training.presets import PRESETS


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
