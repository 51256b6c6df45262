"""The cost model of batches."""

import pytest

from mirage.service.batching.cost_model import CostModel


def test_the_estimate_is_zero_before_any_batch() -> None:
    assert CostModel().estimate_s(100, 4) == 0


def test_a_linear_cost_is_found() -> None:
    cost = CostModel()
    for items in (1, 32, 8, 16):
        cost.learn(items, 0.005 + 0.001 * items)
    assert cost.fixed_s == pytest.approx(0.005)
    assert cost.estimate_s(64, batches=2) == pytest.approx(0.074)


def test_a_single_batch_size_is_attributed_to_the_items() -> None:
    cost = CostModel()
    for _ in range(50):
        cost.learn(8, 0.016)
    assert (cost.fixed_s, cost.item_s) == (0, pytest.approx(0.002))


def test_the_estimate_follows_a_machine_that_becomes_slower() -> None:
    cost = CostModel()
    for seconds in [0.001] * 20 + [0.01] * 100:
        for items in (1, 10):
            cost.learn(items, seconds * items)
    assert cost.estimate_s(10) == pytest.approx(0.1, rel=0.05)


def test_neither_part_of_the_cost_is_negative() -> None:
    falling, steep = CostModel(), CostModel()
    for items, seconds in ((1, 0.01), (2, 0.001)):
        falling.learn(items, seconds)
    for items, seconds in ((1, 0.001), (10, 0.1)):
        steep.learn(items, seconds)
    assert min(falling.fixed_s, falling.item_s, steep.fixed_s, steep.item_s) >= 0
