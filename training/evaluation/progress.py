"""A progress bar on a terminal, and lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm

LINE_S = 10.0
"""Seconds before the first line of a log, and between two."""


class Progress(Protocol):
    """Counts what is done."""

    def update(self, done: int = 1) -> object:
        """Count further items."""


class LogLines:
    """Writes how much is done to stderr, every ten seconds. clock: returns seconds."""

    def __init__(
        self, total: int, what: str, unit: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._what, self._unit = total, what, unit
        self._clock, self._next = clock, clock() + LINE_S
        self._done = 0

    def update(self, done: int = 1) -> None:
        """See `Progress`."""
        self._done += done
        if self._clock() >= self._next:
            self._next = self._clock() + LINE_S
            sys.stderr.write(f"{self._what}: {self._done:,} of {self._total:,} {self._unit}\n")
            sys.stderr.flush()


@contextmanager
def progress_bar(total: int, what: str, unit: str) -> Iterator[Progress]:
    """A bar that vanishes at its end; without a terminal, a line every ten seconds."""
    if not sys.stderr.isatty():
        yield LogLines(total, what, unit)
        return
    with tqdm(total=total, desc=what, unit=f" {unit}", leave=False) as bar:
        yield bar
