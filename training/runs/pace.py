"""When a run is saved by the clock, in addition to the intervals of its configuration."""

import time
from collections.abc import Callable

FIRST_S, EVERY_S = 100.0, 280.0
"""So that slow runs, too, show a first grid within two minutes and then one every five: the rest is
for the step that is under way, and for drawing."""


class Pace:
    """Tells when to draw a sample grid and to save a checkpoint.

    These do not change the run: grids use their own latents, and checkpoints hold all that resuming
    needs. clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + FIRST_S

    def is_due(self) -> bool:
        return self._clock() >= self._next

    def saved(self) -> None:
        """Begin the next interval."""
        self._next = self._clock() + EVERY_S
