"""What batches are believed to cost."""

import pytest

from mirage.service.cost import Cost


def test_nothing_known_costs_nothing() -> None:
    assert Cost().estimate_s(100, 4) == 0


def test_a_straight_line_is_found() -> None:
    cost = Cost()
    for items in (1, 32, 8, 16):
        cost.learn(items, 0.005 + 0.001 * items)
    assert cost.fixed_s == pytest.approx(0.005)
    assert cost.estimate_s(64, batches=2) == pytest.approx(0.074)


def test_batches_of_one_size_are_all_items() -> None:
    cost = Cost()
    for _ in range(50):
        cost.learn(8, 0.016)
    assert (cost.fixed_s, cost.item_s) == (0, pytest.approx(0.002))


def test_a_machine_that_became_slower_is_noticed() -> None:
    cost = Cost()
    for seconds in [0.001] * 20 + [0.01] * 100:
        for items in (1, 10):
            cost.learn(items, seconds * items)
    assert cost.estimate_s(10) == pytest.approx(0.1, rel=0.05)


def test_no_part_of_the_cost_is_negative() -> None:
    falling, steep = Cost(), Cost()
    for items, seconds in ((1, 0.01), (2, 0.001)):
        falling.learn(items, seconds)
    for items, seconds in ((1, 0.001), (10, 0.1)):
        steep.learn(items, seconds)
    assert min(falling.fixed_s, falling.item_s, steep.fixed_s, steep.item_s) >= 0
