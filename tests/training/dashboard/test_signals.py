from typing import Any

from mirage.training.config import build_config
from mirage.training.dashboard.signals import Signal, signals_of
from tests.training.helpers.datasets import TINY


def last(*spreads: float, first_kimg: int = 60, **more: float) -> Signal:
    """The signal of spread after a report per thousand images."""
    lines: list[dict[str, Any]] = [
        {"nimg": 1000 * (first_kimg + i), "spread": spread, **more}
        for i, spread in enumerate(spreads)
    ]
    found = signals_of(lines, build_config("mnist", TINY))
    return next(signal for signal in found if signal.name == "spread")


def test_a_healthy_signal_has_its_value_and_limits() -> None:
    signal = last(0.8, 0.9)
    assert (signal.value, signal.least, signal.most) == (0.9, 0.1, None)
    assert signal.judged
    assert signal.beyond == 0
    assert "Standard deviation" in signal.text


def test_counts_the_reports_in_a_row_beyond_the_limits() -> None:
    assert last(0.05, 0.9, 0.05, 0.05).beyond == 2
    assert last(0.05).beyond == 1
    assert last(0.05, 0.05, 0.05, 0.05, 0.05).beyond == 3  # the patience, which stops the run


def test_a_signal_of_the_beginning_is_not_judged_yet() -> None:
    signal = last(0.05, 0.05, first_kimg=2)
    assert not signal.judged
    assert signal.beyond == 0


def test_the_ratio_of_the_penalties_is_a_signal() -> None:
    lines = [{"nimg": 1000, "r1": 0.5, "r2": 0.25}]
    (signal,) = signals_of(lines, build_config("mnist", TINY))
    assert (signal.name, signal.value) == ("r1_to_r2", 2)
    assert (signal.least, signal.most) == (0.02, 50)


def test_there_are_none_without_a_report() -> None:
    assert signals_of([], build_config("mnist", TINY)) == []
