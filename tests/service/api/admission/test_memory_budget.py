"""Memory that requests hold at once."""

import pytest

from mirage.service.api.admission.memory_budget import MemoryBudget
from mirage.service.errors import Overloaded


def test_bytes_are_held_within_the_block() -> None:
    budget = MemoryBudget(100)
    with budget.held(60), budget.held(40):
        assert budget.held_bytes == 100
        with pytest.raises(Overloaded, match="100 bytes of pictures") as caught, budget.held(1):
            pass
        assert caught.value.retry_after_s
    with pytest.raises(ZeroDivisionError), budget.held(60):
        _ = 1 / 0
    assert budget.held_bytes == 0


def test_one_request_alone_may_hold_what_it_needs() -> None:
    budget = MemoryBudget(100)
    with budget.held(1000):
        assert budget.held_bytes == 1000


def test_what_a_request_holds_already_does_not_stand_in_its_way() -> None:
    budget = MemoryBudget(100)
    with budget.held(60), budget.held(1000, beside=60):
        assert budget.held_bytes == 1060
    with (
        budget.held(60),
        budget.held(30),
        pytest.raises(Overloaded, match="hold 30 bytes of pictures, and 131 of this"),
        budget.held(71, beside=60),
    ):
        pass
