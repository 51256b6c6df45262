from typing import Any

import pytest

from mirage.training.config import TrainConfig, build_config
from mirage.training.errors import UsageError
from mirage.training.presets import PRESETS

BETA = {"start": 0.9, "end": 0.99, "to_kimg": 9}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_complete_and_round_trip_as_json(preset: str) -> None:
    config = build_config(preset, {})
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


def test_settings_change_one_by_one() -> None:
    changes = {"lr.end": "1e-6", "gamma": "0.5", "widths": "32,16", "kimg": 3}
    config = build_config("mnist", changes)
    assert config.lr.end == 1e-6
    assert config.lr.start == build_config("mnist", {}).lr.start
    assert (config.gamma.at(0), config.gamma.at(10**9)) == (0.5, 0.5)
    assert config.widths == (32, 16)
    assert config.kimg == 3


def test_settings_of_a_preset_can_be_removed() -> None:
    config = build_config("emoji", {"augment": "", "augment_target": "none"})
    assert (config.augment, config.augment_target) == ((), None)
    with pytest.raises(UsageError, match="loss is 'none'"):
        build_config("emoji", {"loss": "none"})


@pytest.mark.parametrize("name", ["warm_start_kimg", "bilateral"])
def test_settings_of_generators_are_refused_for_other_tasks(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is of task generate; for upscale only 0 is"):
        build_config("icon-x4", {name: 3})


def test_a_following_schedule_changes_by_its_path() -> None:
    then = {"start": 1e-5, "end": 1e-6, "from_kimg": 1800, "to_kimg": 1900}
    config = build_config("mnist", {"lr.then": then, "lr.then.end": "1e-7"})
    assert config.lr.at(10**9) == 1e-7
    assert config.lr.at(0) == build_config("mnist", {}).lr.at(0)


def test_part_of_a_constant_can_change() -> None:
    config = build_config("dcgan", {"lr.end": "1e-5", "lr.to_kimg": "10"})
    assert (config.lr.at(0), config.lr.at(10_000)) == (2e-4, 1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": "wishful"}, "loss is 'wishful'.*allowed are hinge, .*, wasserstein"),
        (
            {"family": "forest"},
            "family is 'forest'.*allowed are dcgan, direct, harmonic, projected, residual, "
            "sequence, strided",
        ),
        ({"generator_optimizer": "hope"}, "generator_optimizer is 'hope'.*allowed are adam"),
        ({"bacth_size": 64}, "there is no setting bacth_size, perhaps batch_size"),
        ({"batch_size": 1}, "batch_size is 1.*greater than or equal to 2"),
        ({"widths": ""}, "widths is .*at least 1 item"),
        ({"widths": "0"}, "widths.0 is '0'.*greater than or equal to 1"),
        ({"widths": "-4,8"}, "widths.0 is '-4'.*greater than or equal to 1"),
        ({"widths": "99999"}, "widths.0 is '99999'.*less than or equal to 8192"),
        ({"kimg": float("inf")}, "kimg is inf.*finite"),
        ({"kimg": float("nan")}, "kimg is nan.*finite|kimg is nan.*greater than 0"),
        ({"lr": "inf"}, "lr.start is 'inf'.*finite"),
        ({"lr.end": "3"}, "lr is .*its largest value is 3; allowed are 0 to at most 1"),
        ({"beta2": "1"}, "beta2 is .*its largest value is 1; allowed are 0 to less than 1"),
        ({"beta2.then": BETA | {"start": 2}}, "beta2 is .*largest value is 2"),
        ({"lr.to_kimg": "200"}, "lr is .*needs a to_kimg above from_kimg 600, and to_kimg is 200"),
        ({"beta2.then": BETA | {"to_kimg": 0}}, "beta2.then is .*needs a to_kimg above from_kimg"),
        ({"ema_half_life_kimg": "inf"}, "ema_half_life_kimg.start is 'inf'.*finite"),
        ({"further_half_lives_kimg": "inf"}, "further_half_lives_kimg.0 is 'inf'.*finite"),
        ({"augment_probability": "2"}, "its largest value is 2; allowed are 0 to at most 1"),
        ({"colour_of_sky": 1}, "there is no setting colour_of_sky; --dry-run lists"),
        ({"lr.strat": 1}, "there is no setting lr.strat"),
        ({"widths": "a,b"}, "widths.0 is 'a'"),
        ({"precision": "float16"}, "precision is 'float16'"),
        ({"grow_kimg": "1,2,3"}, "grow_kimg has at most 2 entries"),
        ({"grow_kimg": "2,1"}, "grow_kimg has at most 2 entries, each at least"),
        ({"grow_kimg": "1", "family": "residual"}, "grow_kimg requires family strided"),
        ({"background": "random"}, "background random requires transparency on-white"),
        ({"augment": "flip,melt"}, "melt is unknown; allowed are flip, translate"),
    ],
)
def test_names_a_wrong_setting_its_value_and_what_is_allowed(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        build_config("mnist", changes)


def test_one_end_of_a_constant_cannot_change_without_a_time_to_change_in() -> None:
    reason = "lr is .*from start 0.001 to end 0.0002 it needs a to_kimg above from_kimg 0"
    with pytest.raises(UsageError, match=reason):
        build_config("dcgan", {"lr.start": "1e-3"})


@pytest.mark.parametrize(("preset", "allowed"), [("photo-x4", False), ("mnist", True)])
def test_only_generators_have_the_wasserstein_loss(preset: str, allowed: bool) -> None:
    changes = {"loss": "wasserstein"}
    if allowed:
        assert build_config(preset, changes).loss == "wasserstein"
    else:
        with pytest.raises(UsageError, match="loss is 'wasserstein': allowed are hinge, "):
            build_config(preset, changes)


def test_names_an_unknown_preset() -> None:
    with pytest.raises(
        UsageError, match="--preset is nist; allowed are auto, avatars, avatars-finish, cifar10"
    ):
        build_config("nist", {})
