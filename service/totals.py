"""Adds up what several processes tell Prometheus, as if one had told it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client.utils import floatToGoString

Join = Callable[[float, float], float]

COUNTED = ("counter", "histogram")
BEGINNING = "_created"  # of what tells when a counter began
# Gauges whose parts make a whole; of the others the largest counts, as of the oldest request.
PARTS_OF_A_WHOLE = {
    *("mirage_requests_in_flight", "mirage_requests_waiting", "mirage_queued_images"),
    *("mirage_memory_bytes", "mirage_process_open_fds"),
    *("mirage_process_resident_memory_bytes", "mirage_process_virtual_memory_bytes"),
}
# Gauges of which the least counts: all are ready only when each is.
LEAST_COUNTS = {
    *("mirage_ready", "mirage_process_start_time_seconds", "mirage_process_max_fds"),
}


@dataclass
class Family:
    """The lines of one metric: what is said of it, how values join, and they by name and labels."""

    about: list[str]
    join: Join = max
    values: dict[str, float] = field(default_factory=dict)

    def add(self, sample: str) -> None:
        """Take in a line of a name, labels and a value."""
        key, _, text = sample.rpartition(" ")
        value = float(text)
        known = self.values.get(key)
        self.values[key] = value if known is None else self.join(known, value)

    def lines(self) -> Iterable[str]:
        """The family in Prometheus' text format."""
        yield from self.about
        for key, value in self.values.items():
            text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
            yield f"{key} {text}"


def add_up(expositions: Iterable[bytes]) -> bytes:
    """The sums of expositions in Prometheus' text format, which are one in the same format."""
    families: dict[str, Family] = {}
    for exposition in expositions:
        for line in exposition.decode().splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                family = families.setdefault(name, Family([line]))
            elif line.startswith("# TYPE "):
                if len(family.about) == 1:
                    family.about.append(line)
                    family.join = _join(name, line.rpartition(" ")[2])
            else:
                family.add(line)
    lines = [line for family in families.values() for line in family.lines()]
    return "\n".join([*lines, ""]).encode()


def _join(name: str, kind: str) -> Join:
    """How two values of a metric become one."""
    if name.endswith(BEGINNING) or name in LEAST_COUNTS:
        return min
    if kind in COUNTED or name in PARTS_OF_A_WHOLE:
        return float.__add__
    return max
