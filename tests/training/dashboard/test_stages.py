from typing import Any

from mirage.training.config import build_config
from mirage.training.dashboard.stages import stages_of
from tests.training.helpers.datasets import TINY


def stages(preset: str, shape: tuple[int, int, int] = (32, 48, 3), **changes: Any) -> list[Any]:
    found = stages_of(build_config(preset, changes), {"shape": shape})
    return [(stage.nimg, stage.name) for stage in found]


def test_a_plain_run_has_one_stage() -> None:
    assert stages("mnist", **TINY) == [(0, "adversarial")]


def test_a_warm_start_precedes_adversarial_training() -> None:
    found = stages("mnist", **{**TINY, "kimg": 8}, warm_start_kimg=2)
    assert found == [(0, "warm start"), (2000, "adversarial")]


def test_a_stage_that_lies_behind_the_end_is_left_out() -> None:
    assert stages("mnist", **{**TINY, "kimg": 2}, warm_start_kimg=2) == [(0, "warm start")]


def test_growing_networks_name_the_size_of_their_images() -> None:
    changes = {"family": "strided", "widths": "16,8,8", "grow_kimg": "2,4", "kimg": 8}
    assert stages("mnist", **{**TINY, **changes}) == [
        (0, "adversarial, 12 x 8 pixels"),
        (2000, "adversarial, 24 x 16 pixels"),
        (4000, "adversarial, 48 x 32 pixels"),
    ]


def test_pictures_are_first_trained_on_their_content() -> None:
    ratio = {"adversarial_ratio.end": 0.5, "adversarial_ratio.from_kimg": 40}
    found = stages("photo-x4", kimg=100, **ratio)
    assert found == [(0, "content loss"), (40_000, "adversarial")]
    off = {"adversarial_ratio.start": 0, "adversarial_ratio.end": 0}
    assert stages("photo-x4", kimg=100, **off) == [(0, "content loss")]


def test_adversarial_training_may_begin_with_a_following_schedule() -> None:
    then = {"start": 0, "end": 1, "from_kimg": 40, "to_kimg": 50}
    ratio = {"start": 0, "end": 0, "then": then}
    found = stages("photo-x4", kimg=100, adversarial_ratio=ratio)
    assert found == [(0, "content loss"), (40_000, "adversarial")]
