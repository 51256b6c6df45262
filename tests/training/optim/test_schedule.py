import pytest
from pydantic import ValidationError

from mirage.training.optim.schedule import CosineSchedule

SCHEDULE = CosineSchedule(start=1.0, end=0.0, from_kimg=10, to_kimg=20)


@pytest.mark.parametrize(
    ("nimg", "value"),
    [(0, 1.0), (10_000, 1.0), (12_500, 0.8535534), (15_000, 0.5), (20_000, 0.0), (10**9, 0.0)],
)
def test_follows_half_a_cosine_between_its_ends(nimg: int, value: float) -> None:
    assert SCHEDULE.at(nimg) == pytest.approx(value)


def test_a_schedule_may_follow_another() -> None:
    later = CosineSchedule(start=0.5, end=0.25, from_kimg=30, to_kimg=40)
    both = SCHEDULE.model_copy(update={"then": later})
    kimg = (0, 15, 20, 29.999, 30, 35, 40)
    assert [both.at(int(1000 * k)) for k in kimg] == pytest.approx(
        [1.0, 0.5, 0.0, 0.0, 0.5, 0.375, 0.25]
    )


@pytest.mark.parametrize("constant", [0.25, "0.25"], ids=repr)
def test_a_number_is_constant(constant: float | str) -> None:
    schedule = CosineSchedule.model_validate(constant)
    assert {schedule.at(nimg) for nimg in (0, 1, 10**9)} == {0.25}


@pytest.mark.parametrize("to_kimg", [0, 5, 10])
def test_values_that_differ_need_time_between_them(to_kimg: float) -> None:
    with pytest.raises(ValidationError, match="needs a to_kimg above from_kimg 10"):
        CosineSchedule(start=1, end=0, from_kimg=10, to_kimg=to_kimg)


def test_a_constant_needs_no_time() -> None:
    schedule = CosineSchedule(start=1, end=1, from_kimg=10, to_kimg=10)
    assert [schedule.at(nimg) for nimg in (0, 5_000, 20_000)] == [1, 1, 1]


def test_begins_with_the_first_part_that_has_values_above_0() -> None:
    rising = CosineSchedule(start=0, end=1, from_kimg=30, to_kimg=40)
    zero = CosineSchedule(start=0, end=0)
    assert rising.begins_kimg == 30
    assert zero.begins_kimg is None
    assert zero.model_copy(update={"then": rising}).begins_kimg == 30
    assert SCHEDULE.model_copy(update={"then": rising}).begins_kimg == 10


def test_rejects_unknown_augmentations() -> None:
    with pytest.raises(ValidationError):
        CosineSchedule.model_validate({"start": 1, "end": 0, "shape": "linear"})
