"""The signals of the watchdog, with their limits."""

from collections.abc import Sequence

from pydantic import BaseModel

from mirage.training.config import TrainConfig
from mirage.training.dashboard.stats_tail import Line
from mirage.training.limits import Limits
from mirage.training.runs.monitor import SIGNS, bounds_of, is_judged, is_within, signs_of


class Signal(BaseModel):
    """Its last value and its limits; without one, None.

    judged: whether it counts at this time. within: whether the last value is within its limits.
    beyond: reports in a row that were beyond its limits.
    """

    name: str
    text: str
    value: float
    least: float | None
    most: float | None
    judged: bool
    within: bool
    beyond: int


def signals_of(lines: Sequence[Line], config: TrainConfig) -> list[Signal]:
    """The signals of the last report; empty without one."""
    bounds, signs = bounds_of(config.watch, config.loss), signs_of(lines[-1]) if lines else {}
    found = []
    for name, value in signs.items():
        least, most = bounds.get(name, (None, None))
        found.append(
            Signal(
                name=name,
                text=SIGNS[name][0],
                value=value,
                least=least,
                most=most,
                judged=is_judged(name, int(lines[-1]["nimg"]), config.watch),
                within=is_within(value, least, most),
                beyond=_beyond(name, lines, config.watch, least, most),
            )
        )
    return found


def _beyond(
    name: str, lines: Sequence[Line], limits: Limits, least: float | None, most: float | None
) -> int:
    """Count the last reports in a row that were beyond the limits, up to the patience."""
    for count, line in enumerate(reversed(lines[-limits.patience :])):
        value = signs_of(line).get(name)
        judged = is_judged(name, int(line["nimg"]), limits)
        if value is None or not judged or is_within(value, least, most):
            return count
    return min(limits.patience, len(lines))
