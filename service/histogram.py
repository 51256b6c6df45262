"""A histogram for Prometheus that is told much and asked rarely: what it is told is only noted."""

from collections.abc import Iterator, Sequence

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

MOST_NOTED = 4096  # values that are not sorted into buckets yet


class Tally:
    """What one histogram, or one of its label values, is told. For one thread."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)  # the last of what is above all bounds
        self._sum = 0.0
        self._noted: list[float] = []

    def observe(self, value: float) -> None:
        """Take in a value."""
        self._noted.append(value)
        if len(self._noted) >= MOST_NOTED:
            self._sort_in()

    def buckets(self) -> list[tuple[str, float]]:
        """Each upper bound, as Prometheus writes it, with how many values are at most that."""
        self._sort_in()
        bounds = [*map(floatToGoString, self._bounds.tolist()), "+Inf"]
        return list(zip(bounds, np.cumsum(self._counts).tolist(), strict=True))

    def sum(self) -> float:
        """All values added up."""
        self._sort_in()
        return self._sum

    def _sort_in(self) -> None:
        values = np.array(self._noted)
        self._noted.clear()
        places = np.searchsorted(self._bounds, values)  # a value at a bound is within it
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(values.sum())


class Histogram(Collector):
    """Tallies by label values, in a registry; without labels there is one, of no values."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._about = name, text
        self._labels = labels
        self._bounds = buckets
        self._tallies: dict[tuple[str, ...], Tally] = {}
        if not labels:
            self.labels()
        registry.register(self)

    def labels(self, *values: str) -> Tally:
        """The tally of these label values."""
        return self._tallies.setdefault(values, Tally(self._bounds))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What Prometheus is told."""
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        for values, tally in self._tallies.items():
            family.add_metric(values, tally.buckets(), tally.sum())
        yield family
