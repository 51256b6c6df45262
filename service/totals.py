"""Adds up what several processes count, as if it were one that does."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from pydantic_core import from_json, to_json

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]  # of a sample
Join = Callable[[float, float], float]

COUNTED = ("counter", "histogram")
BEGINNING = "_created"  # of the samples that tell when a counter began
# Gauges whose parts make a whole; of the others the largest counts, as of the oldest request.
PARTS_OF_A_WHOLE = {
    *("mirage_requests_in_flight", "mirage_queued_images", "mirage_memory_bytes"),
    "mirage_process_open_fds",
    *("mirage_process_resident_memory_bytes", "mirage_process_virtual_memory_bytes"),
}
# Gauges of which the least counts: all are ready only when each is.
LEAST_COUNTS = {
    *("mirage_ready", "mirage_process_start_time_seconds", "mirage_process_max_fds"),
}


def take_samples(registry: CollectorRegistry) -> bytes:
    """What a registry holds now, for `Totals` of another process."""
    return to_json(
        [
            (family.name, family.documentation, family.type, _plain(family))
            for family in registry.collect()
        ]
    )


def _plain(family: Metric) -> list[tuple[str, dict[str, str], str]]:
    # As text, for JSON knows neither infinity nor NaN.
    return [(sample.name, sample.labels, repr(sample.value)) for sample in family.samples]


class Totals:
    """Collects the sums of what `take_samples` took in several processes."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = [from_json(part) for part in parts]

    def collect(self) -> Iterator[Metric]:
        """Each family once, in the order in which they are first met."""
        families: dict[str, tuple[Metric, dict[Key, float]]] = {}
        for part in self._parts:
            for name, documentation, kind, samples in part:
                metric = Metric(name, documentation, kind)
                _, values = families.setdefault(name, (metric, {}))
                _add(values, name, kind, samples)
        for metric, values in families.values():
            for (name, labels), value in values.items():
                metric.add_sample(name, dict(labels), value)
            yield metric


def _add(
    values: dict[Key, float],
    family: str,
    kind: str,
    samples: list[tuple[str, dict[str, str], str]],
) -> None:
    for name, labels, text in samples:
        key = name, tuple(labels.items())
        value, join = float(text), _join(family, kind, name)
        values[key] = join(values[key], value) if key in values else value


def _join(family: str, kind: str, sample: str) -> Join:
    """How two values of a sample become one."""
    if sample.endswith(BEGINNING) or family in LEAST_COUNTS:
        return min
    if kind in COUNTED or family in PARTS_OF_A_WHOLE:
        return float.__add__
    return max
