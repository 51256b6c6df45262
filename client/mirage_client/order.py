"""What is asked for: which images, in requests of a bounded size."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypedDict, TypeGuard

MOST = 2**64  # seeds and indices lie below
DRAWN_SEEDS = 2**53  # what every language can hold as a number

Label = int | str  # class index or class name
Labels = Label | Sequence[Label] | Callable[[int], Label]


class ArrayLike(Protocol):
    """Whatever becomes nested lists of floats, such as a NumPy array or a tensor."""

    def tolist(self) -> Any:
        """The values as nested lists."""


class Options(TypedDict, total=False):
    """Which images to make; what is absent or None is left to the server.

    - `seed`, `index`: 0 … 2⁶⁴-1; image j is that of (seed, index + j). A seed is drawn when absent.
    - `labels`: a class index or name for all images, one for each, or a function of the index.
    - `truncation`: 0 < t ≤ 1.
    - `latents`: `[n, latent_dim]`, instead of a count, a seed and a truncation.
    - `model`, `version`: default: the server's default model, its released version.
    """

    seed: int | None
    index: int | None
    labels: Labels | ArrayLike | None
    truncation: float | None
    latents: Sequence[Sequence[float]] | ArrayLike | None
    model: str | None
    version: int | None


@dataclass(frozen=True)
class Order:
    """`count` images; asked for twice, they are the same: `seed` is None only beside latents."""

    count: int
    seed: int | None
    index: int
    labels: Labels | None
    truncation: float | None
    latents: list[list[float]] | None
    model: str | None
    version: int | None

    def parts(self, size: int) -> Iterator["Order"]:
        """The same images in orders of at most `size`."""
        for start in range(0, self.count, size):
            yield self._part(slice(start, min(start + size, self.count)))

    def split(self, size: int) -> tuple["Order", "Order | None"]:
        """The first `size` images, and the others if there are any."""
        rest = slice(size, self.count)
        return next(self.parts(size)), self._part(rest) if size < self.count else None

    def pinned(self, model: str, version: int) -> "Order":
        """The same images of this version."""
        return replace(self, model=model, version=version)

    def body(self) -> dict[str, object]:
        """The JSON body of the request for all of it."""
        fields = {
            "count": self.count if self.latents is None else None,
            "seed": self.seed,
            "index": self.index,
            "labels": self._spread_labels(),
            "truncation": self.truncation,
            "latents": self.latents,
            "model": self.model,
            "version": self.version,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _spread_labels(self) -> Label | list[Label] | None:
        labels = self.labels
        if callable(labels):
            return [labels(index) for index in range(self.index, self.index + self.count)]
        return labels if labels is None or isinstance(labels, int | str) else list(labels)

    def _part(self, where: slice) -> "Order":
        return replace(
            self,
            count=where.stop - where.start,
            index=self.index + where.start,
            labels=self.labels[where] if _listed(self.labels) else self.labels,
            latents=None if self.latents is None else self.latents[where],
        )


def make_order(count: int | None, options: Options) -> Order:
    """Settle what must stand before the first request: the count and the seed.

    Raises TypeError for an unknown option, ValueError for counts that contradict each other or
    run over the last index. All other values are the server's to check.
    """
    if unknown := options.keys() - Options.__annotations__.keys():
        allowed = ", ".join(Options.__annotations__)
        raise TypeError(f"{min(unknown)} is no option; allowed are {allowed}")
    latents, labels, seed = _rows(options), _labels(options), options.get("seed")
    order = Order(
        count=_count(count, latents, labels),
        seed=secrets.randbelow(DRAWN_SEEDS) if seed is None and latents is None else seed,
        index=options.get("index") or 0,
        labels=labels,
        truncation=options.get("truncation"),
        latents=latents,
        model=options.get("model"),
        version=options.get("version"),
    )
    if order.index + order.count > MOST:
        raise ValueError(f"index is {order.index}; with count {order.count} 2^64 is the end")
    return order


def _rows(options: Options) -> list[list[float]] | None:
    latents = options.get("latents")
    if latents is None:
        return None
    return [[float(value) for value in row] for row in _plain(latents)]


def _labels(options: Options) -> Labels | None:
    labels: Labels | None = _plain(options.get("labels"))
    return labels


def _plain(value: Any) -> Any:
    """An array as nested lists; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def _listed(labels: Labels | None) -> TypeGuard[Sequence[Label]]:
    return isinstance(labels, Sequence) and not isinstance(labels, str)


def _count(count: int | None, latents: list[list[float]] | None, labels: Labels | None) -> int:
    """How many images, by whatever says so; 1 when nothing does."""
    said = {
        "count": count,
        "latents": None if latents is None else len(latents),
        "labels": len(labels) if _listed(labels) else None,
    }
    numbers = {name: number for name, number in said.items() if number is not None}
    total = next(iter(numbers.values()), 1)
    if total < 1 or set(numbers.values()) - {total}:
        shown = ", ".join(f"{name}: {number}" for name, number in numbers.items())
        raise ValueError(f"numbers of images are {shown}; equal ones of at least 1 are allowed")
    return total
