import pytest

from mirage.client.bulk.plan import Plan, parse_plan
from mirage.client.errors import DatasetError

PLAN = Plan("tar", 10, 4)


def test_shards_have_each_image_once() -> None:
    spans = [PLAN.span(shard) for shard in range(PLAN.total)]
    assert spans == [range(4), range(4, 8), range(8, 10)]


@pytest.mark.parametrize("count", [1, 4, 9, 10, 12])
@pytest.mark.parametrize("of", [1, 2, 5])
def test_counts_the_images_of_a_part(count: int, of: int) -> None:
    plan = Plan("tar", count, 4)
    parts = [range(part, plan.total, of) for part in range(of)]
    assert [plan.images(part) for part in parts] == [
        sum(len(plan.span(shard)) for shard in part) for part in parts
    ]


def test_a_huge_plan_costs_nothing() -> None:
    plan = Plan("parquet", 10**18, 10**4)
    assert plan.images(range(7, plan.total, 10**9)) == 10**9
    assert plan.name(10**14 - 1) == "images-99999999999999.parquet"


def test_round_trips() -> None:
    assert parse_plan(PLAN.to_bytes(), "plan") == PLAN


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b"{}", b'{"format": "zip", "count": 1, "shard_size": 1}'),
        *(b'{"format": "tar", "count": 0, "shard_size": 1}',),
        *(b'{"format": "tar", "count": "1", "shard_size": 1}',),
    ],
)
def test_rejects_other_files(raw: bytes) -> None:
    with pytest.raises(DatasetError, match=r"plan\.json is not a plan of a dataset"):
        parse_plan(raw, "plan.json")
