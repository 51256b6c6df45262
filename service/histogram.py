"""A histogram for Prometheus that is told much and asked rarely: what it is told is only noted."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from prometheus_client.utils import floatToGoString

MOST_NOTED = 4096  # values that are not sorted into buckets yet
ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})  # in values of labels


class Tally:
    """What one histogram, or one of its label values, is told: by one thread; any may ask."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)  # the last of what is above all bounds
        self._sum = 0.0
        self._noted: list[float] = []
        self._lock = threading.Lock()

    def observe(self, value: float, times: int = 1) -> None:
        """Take in a value, or so many of it."""
        self._noted += [value] * times
        if len(self._noted) >= MOST_NOTED:
            with self._lock:
                self._sort_in()

    def so_far(self) -> tuple[list[int], float]:
        """How many values are at most each bound, and how many there are; and their sum."""
        with self._lock:
            self._sort_in()
            return np.cumsum(self._counts).tolist(), self._sum

    def _sort_in(self) -> None:
        count = len(self._noted)  # while more may be noted
        values = np.array(self._noted[:count])
        del self._noted[:count]
        places = np.searchsorted(self._bounds, values)  # a value at a bound is within it
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(values.sum())


class Histogram:
    """Tallies by label values; without labels there is one, of no values.

    It writes its lines itself: whatever asks for them waits, and a registry takes ten times as
    long for so many.
    """

    def __init__(
        self, name: str, text: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._bounds = buckets
        self._tallies: dict[tuple[str, ...], Tally] = {}
        self._beginnings: dict[tuple[str, ...], list[str]] = {}
        if not labels:
            self.labels()

    def labels(self, *values: str) -> Tally:
        """The tally of these label values."""
        if (tally := self._tallies.get(values)) is None:
            self._beginnings[values] = list(self._begin(values))
            tally = self._tallies[values] = Tally(self._bounds)
        return tally

    def lines(self) -> Iterator[str]:
        """The histogram in Prometheus' text format."""
        yield f"# HELP {self._name} {self._text}"
        yield f"# TYPE {self._name} histogram"
        for values, tally in list(self._tallies.items()):
            counts, total = tally.so_far()
            numbers = [*counts, counts[-1], total]
            for beginning, number in zip(self._beginnings[values], numbers, strict=True):
                yield f"{beginning} {floatToGoString(number)}"  # type: ignore[no-untyped-call]

    def _begin(self, values: Sequence[str]) -> Iterator[str]:
        """What comes before the numbers: of each bucket, the count and the sum."""
        labels = [
            f'{name}="{value.translate(ESCAPES)}"'
            for name, value in sorted(zip(self._labels, values, strict=True))
        ]
        for bound in (*self._bounds, float("inf")):
            text = floatToGoString(bound)  # type: ignore[no-untyped-call]
            inner = ",".join(sorted([f'le="{text}"', *labels]))
            yield f"{self._name}_bucket{{{inner}}}"
        own = f"{{{','.join(labels)}}}" if labels else ""
        yield f"{self._name}_count{own}"
        yield f"{self._name}_sum{own}"
