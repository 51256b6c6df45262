"""A log of faults that last: one line a minute for each."""

from collections.abc import Callable
from dataclasses import dataclass

REPEAT_S = 60.0

Log = Callable[[str], None]


@dataclass
class _Fault:
    began_s: float
    told_s: float


class FaultLog:
    """Tells of the faults of subjects, such as models, and of their end.

    Times are seconds of a monotonic clock.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._faults: dict[str, _Fault] = {}

    def report(self, subject: str, problem: str, now: float) -> None:
        """Tell of a fault, unless its subject was told of within a minute."""
        fault = self._faults.get(subject)
        if fault is None:
            self._faults[subject] = _Fault(now, now)
            self._log(problem)
        elif now - fault.told_s >= REPEAT_S:
            fault.told_s = now
            self._log(f"{problem} (for {now - fault.began_s:.0f} s)")

    def clear(self, subject: str, now: float) -> None:
        """Tell that a subject has no fault any more, if it had one."""
        if fault := self._faults.pop(subject, None):
            self._log(f"{subject}: works again after {now - fault.began_s:.0f} s")
