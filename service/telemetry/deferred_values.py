"""Values of metrics that are written to their file once for each iteration of the event loop."""

import asyncio
from typing import Any

from prometheus_client import values


def deferred_values(worker: int) -> type:
    """The class of values that prometheus_client is to make in a worker process.

    What is added in an iteration of the event loop is summed, and written in the next one: to sum
    costs a fifth of writing, and most answers of an iteration add to the same values. What other
    threads add, and what is set, is written at once.
    """
    written: Any = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]
    sums: dict[Any, float] = {}

    def write() -> None:
        for value, amount in sums.items():
            written.inc(value, amount)
        sums.clear()

    class DeferredValue(written):  # type: ignore[misc]
        """A value that is sometimes behind what was added to it."""

        def inc(self, amount: float) -> None:
            """Add to it."""
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                super().inc(amount)
                return
            if not sums:
                loop.call_soon(write)
            sums[self] = sums.get(self, 0.0) + amount

    return DeferredValue
