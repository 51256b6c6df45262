"""Decides how long a lane that just became free waits for the clients that it just answered.

Without it, clients that ask again as soon as they are answered split into two alternating half
batches. A fixed wait would tax the lonely ones instead.
"""

MEMORY = 0.9
PROBE_EVERY = 32  # batches; how often a habit that was given up is tried again


class Linger:
    """Remembers how many were answered, and whether such clients use to come back in time."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._returning = 1.0  # 0 … 1, how often waiting paid lately
        self._batches = 0
        self.target = 0
        self.until = 0.0

    def batch_done(self, *, answered: int, queued: int, worth_s: float, now: float) -> None:
        """Note a finished batch, in items, at `now` in seconds.

        `worth_s` is what one batch less would save: waiting longer than that never pays.
        """
        self._batches += 1
        self.target = answered + queued
        self.until = now
        if self._returning >= 0.5 or self._batches % PROBE_EVERY == 0:
            self.until += min(self._longest_s, worth_s)

    def waited(self, *, came_back: bool) -> None:
        """Learn whether the wait was worth it."""
        self._returning = MEMORY * self._returning + (1 - MEMORY) * came_back
