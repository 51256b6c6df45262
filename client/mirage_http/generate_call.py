"""The parameters of a call to generate images, and their split into requests."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypedDict, TypeGuard

SEED_END = 2**64  # exclusive upper bound of seeds and indices
RANDOM_SEEDS = 2**53  # random seeds are exact as JSON numbers in every language

Label = int | str  # class index or class name
Labels = Label | Sequence[Label] | Callable[[int], Label]
Directions = Mapping[str, float]  # by index or name: how far, in standard deviations of a latent


class ArrayLike(Protocol):
    """An array that converts to nested lists, such as of NumPy or PyTorch."""

    def tolist(self) -> Any:
        """The values as nested lists."""


class Options(TypedDict, total=False):
    """Options of `generate` and `stream`; None uses the server's default.

    - `seed`, `index`: 0 … 2⁶⁴-1; image j is determined by (seed, index + j). Default: random seed.
    - `labels`: a class index or name for all images, one for each, or a function of the index.
    - `truncation`: 0 < t ≤ 1.
    - `directions`: how far to move all images along the model's directions, by index or name.
    - `latents`: `[n, latent_dim]`, instead of count, seed and truncation.
    - `model`, `version`: default: the server's default model and its released version.
    - `upscale`: `name` or `name@version` of a model that enlarges the images.
    """

    seed: int | None
    index: int | None
    labels: Labels | ArrayLike | None
    truncation: float | None
    directions: Directions | None
    latents: Sequence[Sequence[float]] | ArrayLike | None
    model: str | None
    version: int | None
    upscale: str | None


@dataclass(frozen=True)
class GenerateCall:
    """A call for `count` images; repeating it gives the same images.

    `seed` is None only if `latents` are given.
    """

    count: int
    seed: int | None
    index: int
    labels: Labels | None
    truncation: float | None
    directions: Directions | None
    latents: list[list[float]] | None
    model: str | None
    version: int | None
    upscale: str | None

    def parts(self, size: int) -> Iterator["GenerateCall"]:
        """Yield calls for the same images, each of at most `size`."""
        for start in range(0, self.count, size):
            yield self._part(slice(start, min(start + size, self.count)))

    def split(self, size: int) -> tuple["GenerateCall", "GenerateCall | None"]:
        """Split off the first `size` images; the rest is None if empty."""
        rest = slice(size, self.count)
        return next(self.parts(size)), self._part(rest) if size < self.count else None

    def pinned(self, model: str, version: int, upscale: str | None = None) -> "GenerateCall":
        """The same call for specific versions; `upscale` is `name@version`."""
        return replace(self, model=model, version=version, upscale=upscale)

    def body(self) -> dict[str, object]:
        """The JSON body of the request."""
        fields = {
            "count": self.count if self.latents is None else None,
            "seed": self.seed,
            "index": self.index,
            "labels": self._json_labels(),
            "truncation": self.truncation,
            "directions": self.directions,
            "latents": self.latents,
            "model": self.model,
            "version": self.version,
            "upscale": self.upscale,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _json_labels(self) -> Label | list[Label] | None:
        labels = self.labels
        if callable(labels):
            return [plain(labels(index)) for index in range(self.index, self.index + self.count)]
        return labels if labels is None or isinstance(labels, int | str) else list(labels)

    def _part(self, part: slice) -> "GenerateCall":
        return replace(
            self,
            count=part.stop - part.start,
            index=self.index + part.start,
            labels=self.labels[part] if _is_list(self.labels) else self.labels,
            latents=None if self.latents is None else self.latents[part],
        )


def make_call(count: int | None, options: Options) -> GenerateCall:
    """Build a call from options; determines the count, and draws a seed if there is none.

    Raises TypeError for an unknown option, and ValueError if counts differ or exceed the last
    index. The server checks all other values.
    """
    if unknown := options.keys() - Options.__annotations__.keys():
        allowed = ", ".join(Options.__annotations__)
        raise TypeError(f"{min(unknown)} is not an option; allowed are {allowed}")
    options = plain(options)
    latents, seed = _rows(options), options.get("seed")
    labels: Labels | None = plain(options.get("labels"))
    call = GenerateCall(
        count=_count(plain(count), latents, labels),
        seed=secrets.randbelow(RANDOM_SEEDS) if seed is None and latents is None else seed,
        index=options.get("index") or 0,
        labels=labels,
        truncation=options.get("truncation"),
        directions=dict(options.get("directions") or {}) or None,
        latents=latents,
        model=options.get("model"),
        version=options.get("version"),
        upscale=options.get("upscale"),
    )
    if call.index + call.count > SEED_END:
        raise ValueError(f"index {call.index} + count {call.count} exceeds 2^64")
    return call


def _rows(options: Options) -> list[list[float]] | None:
    latents = options.get("latents")
    if latents is None:
        return None
    return [[float(value) for value in row] for row in plain(latents)]


def plain(value: Any) -> Any:
    """Arrays and scalars, such as of NumPy, as lists and numbers, also within lists and mappings.

    Other values are returned unchanged.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {plain(name): plain(each) for name, each in value.items()}
    return list(map(plain, value)) if isinstance(value, list | tuple) else value


def _is_list(labels: Labels | None) -> TypeGuard[Sequence[Label]]:
    return isinstance(labels, Sequence) and not isinstance(labels, str)


def _count(count: int | None, latents: list[list[float]] | None, labels: Labels | None) -> int:
    """The number of images given by count, latents or labels; default 1."""
    given = {
        "count": count,
        "latents": None if latents is None else len(latents),
        "labels": len(labels) if _is_list(labels) else None,
    }
    numbers = {name: number for name, number in given.items() if number is not None}
    total = next(iter(numbers.values()), 1)
    if total < 1 or set(numbers.values()) - {total}:
        shown = ", ".join(f"{name}: {number}" for name, number in numbers.items())
        raise ValueError(f"numbers of images are {shown}; they must be equal and at least 1")
    return total
