import pytest

from mirage.client.bulk.part import Part, find_part

JOB = {"JOB_COMPLETION_INDEX": "3"}
SLURM = {
    "SLURM_ARRAY_TASK_ID": "2",
    "SLURM_ARRAY_TASK_COUNT": "4",
    "SLURM_ARRAY_TASK_MIN": "0",
    "SLURM_ARRAY_TASK_MAX": "3",
}


def test_parts_have_each_shard_once() -> None:
    parts = [Part(number, 3).shards(8) for number in range(3)]
    assert [list(part) for part in parts] == [[0, 3, 6], [1, 4, 7], [2, 5]]
    assert list(Part(8, 9).shards(8)) == []


@pytest.mark.parametrize(
    ("number", "of", "environment", "part"),
    [
        (None, None, {}, Part(0, 1)),
        (1, 2, {}, Part(1, 2)),
        (1, 2, JOB | SLURM, Part(1, 2)),
        (None, 5, JOB, Part(3, 5)),
        (None, None, JOB | {"JOB_COMPLETIONS": "4"}, Part(3, 4)),
        (None, None, SLURM, Part(2, 4)),
        (None, 9, SLURM | {"SLURM_ARRAY_TASK_ID": "7"}, Part(7, 9)),
    ],
)
def test_flags_take_precedence_over_the_scheduler(
    number: int | None, of: int | None, environment: dict[str, str], part: Part
) -> None:
    assert find_part(number, of, environment) == part


@pytest.mark.parametrize(
    ("number", "of", "environment", "message"),
    [
        (1, None, {}, "--part and --of belong together"),
        (None, 2, {}, "--part and --of belong together"),
        (2, 2, {}, "part is 2; with --of 2, 0 … 1 are allowed"),
        (-1, 2, {}, "part is -1; with --of 2, 0 … 1 are allowed"),
        (None, None, JOB, "JOB_COMPLETION_INDEX is 3; --of or JOB_COMPLETIONS must give"),
        (None, 3, JOB, "part is 3; with --of 3"),
        (None, 3, {"JOB_COMPLETION_INDEX": "x"}, "JOB_COMPLETION_INDEX is 'x'; an integer"),
        (None, None, {"SLURM_ARRAY_TASK_ID": "2"}, "SLURM_ARRAY_TASK_COUNT is ''; an integer"),
        (
            *(None, None, SLURM | {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4"}),
            "the Slurm array has 4 tasks from 1 to 4; --array=0-3 is allowed",
        ),
    ],
)
def test_says_what_is_wrong_with_a_part(
    number: int | None, of: int | None, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        find_part(number, of, environment)
