"""How many engines run side by side."""

import pytest

from mirage.service.lanes import plan_lanes
from mirage.service.provider import Kind
from mirage.service.settings import Settings


@pytest.mark.parametrize(
    ("changes", "count", "threads"),
    [
        ({"threads": 1}, 1, 1),
        ({"threads": 2}, 2, 1),
        ({"threads": 16}, 8, 2),
        ({"threads": 16, "lanes": 2}, 2, 8),
        ({"threads": 1, "lanes": 4}, 4, 1),
    ],
)
def test_a_lane_for_each_cpu_and_the_rest_are_threads(
    changes: dict[str, int], count: int, threads: int
) -> None:
    lanes = plan_lanes(Kind("cpu"), Settings(**changes))
    assert (lanes.count, lanes.threads) == (count, threads)


def test_without_settings_there_is_at_least_one() -> None:
    assert plan_lanes(Kind("cpu"), Settings()).count >= 1


def test_a_lane_for_each_gpu() -> None:
    lanes = plan_lanes(Kind("cuda"), Settings(gpus=3, threads=2))
    assert [lanes.device(number) for number in range(lanes.count)] == [0, 1, 2]


def test_the_lanes_of_all_workers_are_not_many_more_than_those_of_one() -> None:
    settings = Settings(threads=16)
    assert [plan_lanes(Kind("cpu"), settings, 0, workers).count for workers in (1, 2, 8)] == [
        8,
        4,
        1,
    ]


def test_workers_take_turns_with_the_gpus() -> None:
    def devices(gpus: int, workers: int) -> list[list[int]]:
        planned = [
            plan_lanes(Kind("cuda"), Settings(gpus=gpus), n, workers) for n in range(workers)
        ]
        return [[lanes.device(number) for number in range(lanes.count)] for lanes in planned]

    assert devices(2, 4) == [[0], [1], [0], [1]]
    assert devices(4, 2) == [[0, 2], [1, 3]]
    assert devices(1, 2) == [[0], [0]]


def test_more_lanes_than_gpus_share_them() -> None:
    lanes = plan_lanes(Kind("cuda"), Settings(gpus=2, lanes=4))
    assert [lanes.device(number) for number in range(lanes.count)] == [0, 1, 0, 1]
