"""Metric values that are written to their file once per iteration of the event loop."""

import asyncio
from typing import Any

from prometheus_client import values


def deferred_values(worker: int) -> type:
    """Return the class that prometheus_client uses for the values of a worker process.

    Increments in one iteration of the event loop are summed, and written in the next one. Adding
    to a sum takes a fifth of the time of a write, and the answers of an iteration increment the
    same values. Increments from other threads, and values that are set, are written at once.
    """
    written: Any = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]
    sums: dict[Any, float] = {}

    def write() -> None:
        for value, amount in sums.items():
            written.inc(value, amount)
        sums.clear()

    class DeferredValue(written):  # type: ignore[misc]
        """A value whose increments are written later."""

        def inc(self, amount: float) -> None:
            """Increment the value."""
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                super().inc(amount)
                return
            if not sums:
                loop.call_soon(write)
            sums[self] = sums.get(self, 0.0) + amount

    return DeferredValue
