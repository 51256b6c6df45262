"""The task `generate`: a validated request becomes latents and labels."""

import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.outputs import output_of
from mirage.bundle.store.directions import NO_DIRECTIONS, NamedDirections
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.settings import Settings
from mirage.service.tasks.directions import move_latents
from mirage.service.tasks.requests import LATENT_BOUND, MAX_UINT64, GenerateRequest


class GenerateInput(NamedTuple):
    """A well-formed request that is not checked against a model yet.

    `latents` is float32 `[n, d]` from an array or `[n · d]` from raw bytes. Labels from a query
    are text: a class name or else an index.
    """

    fields: GenerateRequest
    latents: NDArray[np.float32] | None = None
    labels_are_text: bool = False


DRAWN_SEEDS = 2**53  # numbers in JavaScript are exact below this
Loc = tuple[str | int, ...]
EXCLUDED_BY_LATENTS = ("count", "seed", "truncation")


@dataclass(frozen=True)
class GenerateJob:
    """Latents float32 `[n, latent_dim]`, labels int64 `[n]` or None, and their origin.

    `seed` is None for posted latents. Image j has the index `index + j`.
    """

    latents: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    seed: int | None
    index: int

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.latents)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The inputs of the model, in the order of its manifest."""
        return (self.latents,) if self.labels is None else (self.latents, self.labels)

    @property
    def charge(self) -> int:
        """Number of images that count towards rate limits."""
        return self.count

    @property
    def weight(self) -> int:
        """Work of an image: all images of a model are alike."""
        return 1


def settle_seed(given: GenerateInput) -> GenerateInput:
    """Return the input with a seed, drawn at random if it has neither a seed nor latents."""
    fields = given.fields
    if fields.seed is not None or fields.latents is not None or given.latents is not None:
        return given
    return given._replace(fields=fields.model_copy(update={"seed": _seed(fields)}))


def build_job(
    given: GenerateInput,
    manifest: Manifest,
    settings: Settings,
    named: NamedDirections = NO_DIRECTIONS,
) -> GenerateJob:
    """Check an input against the model and the limits, and draw latents and labels.

    `named`: the directions that the model's owner has named. Raises InvalidValue and LimitExceeded.
    """
    fields = given.fields
    posted = _posted_latents(given, manifest)
    labels = _class_indices(given, manifest)
    count = _count(fields, posted, labels)
    check_limits(count, manifest, settings)
    index = _checked_index(fields.index or 0, count)
    spread = _spread(labels, count)
    if posted is not None:
        if manifest.num_classes and spread is None:
            raise InvalidValue.of("labels", "labels are absent; posted latents require labels")
        moved = move_latents(posted, fields.directions, manifest, named)
        return GenerateJob(moved, spread, None, index)
    seed = _seed(fields)
    latents, drawn = draw_latents(seed, index, count, manifest.latent_dim, manifest.num_classes)
    latents = truncate(latents, fields.truncation)
    moved = move_latents(latents, fields.directions, manifest, named)
    return GenerateJob(moved, drawn if spread is None else spread, seed, index)


def _seed(fields: GenerateRequest) -> int:
    return secrets.randbelow(DRAWN_SEEDS) if fields.seed is None else fields.seed


def truncate(latents: NDArray[np.float32], truncation: float | None) -> NDArray[np.float32]:
    """Scale float32 latents towards their mean, zero. None and 1 change no bit."""
    return latents if truncation in (None, 1.0) else np.float32(truncation) * latents


def _posted_latents(given: GenerateInput, manifest: Manifest) -> NDArray[np.float32] | None:
    """Return posted latents as float32 `[n, latent_dim]`, or None if there are none."""
    fields = given.fields
    if given.latents is None and fields.latents is None:
        return None
    for name in EXCLUDED_BY_LATENTS:
        if (value := getattr(fields, name)) is not None:
            raise InvalidValue.of(name, f"{name} is {value}; it cannot be combined with latents")
    if fields.latents is not None:
        return _from_rows(fields.latents, manifest.latent_dim)
    return None if given.latents is None else checked_latents(given.latents, manifest.latent_dim)


def _from_rows(rows: list[list[float]], latent_dim: int) -> NDArray[np.float32]:
    for number, row in enumerate(rows):
        if len(row) != latent_dim:
            raise InvalidValue.of(
                "latents",
                f"latents[{number}] has {len(row)} values; latent_dim is {latent_dim}",
            )
    return np.array(rows, np.float32)


def checked_latents(array: NDArray[np.float32], latent_dim: int) -> NDArray[np.float32]:
    """Check latents `[n, latent_dim]` or `[n · latent_dim]`, and return them as the former.

    Raises InvalidValue.
    """
    if array.ndim == 1 and array.size % latent_dim == 0:
        array = array.reshape(-1, latent_dim)
    if array.ndim != 2 or array.shape[1] != latent_dim or not len(array):
        raise InvalidValue.of(
            "latents",
            f"latents have shape {list(array.shape)}; [n, {latent_dim}] with n ≥ 1 is allowed",
        )
    bad = ~(np.abs(array) <= LATENT_BOUND)  # also true for NaN
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InvalidValue.of(
            "latents",
            f"latents[{row}][{column}] is {array[row, column]};"
            f" finite values within ±{LATENT_BOUND:g} are allowed",
        )
    return array


def _class_indices(given: GenerateInput, manifest: Manifest) -> int | list[int] | None:
    """Return the labels as class indices: a single one, or a list."""
    labels = given.fields.labels
    if labels is None:
        return None
    if not manifest.num_classes:
        raise InvalidValue.of("labels", f"labels are given; {manifest.name} has no classes")
    if isinstance(labels, list):
        return [class_index(label, manifest, given.labels_are_text) for label in labels]
    return class_index(labels, manifest, given.labels_are_text)


def class_index(
    label: int | str, manifest: Manifest, text: bool = False, loc: Loc = ("labels",)
) -> int:
    """Return the index of a class from its index or name, or if `text` from its index as text.

    Raises InvalidValue, for the field at `loc`.
    """
    if isinstance(label, str):
        if label in manifest.labels:
            return manifest.labels.index(label)
        if text and label.isascii() and label.isdecimal() and len(label) < 10:
            label = int(label)
    if isinstance(label, int) and 0 <= label < manifest.num_classes:
        return label
    names = ", ".join(manifest.labels[:20]) + ", …" * (manifest.num_classes > 20)
    message = (
        f"label is {label!r:.100}; class indices 0 … {manifest.num_classes - 1} are allowed,"
        f" and class names: {names:.1000}"
    )
    raise InvalidValue(message, errors=[{"loc": list(loc), "msg": message}])


def _count(
    fields: GenerateRequest,
    posted: NDArray[np.float32] | None,
    labels: int | list[int] | None,
) -> int:
    """Return the number of latents, else count, else the length of a label list, else 1."""
    count = fields.count if posted is None else len(posted)
    if not isinstance(labels, list):
        return count or 1
    if not labels or count not in (None, len(labels)):
        raise InvalidValue.of(
            "labels",
            f"there are {len(labels)} labels; a single one or {count or 'at least 1'} are allowed",
        )
    return len(labels)


def check_images(manifest: Manifest, **given: object) -> None:
    """Raise InvalidValue for a field that only models of images take, if there is one.

    given: the fields of a request by name; None if absent.
    """
    for name, value in given.items():
        if value is not None and manifest.made != "images":
            raise InvalidValue.of(
                name,
                f"{name} is {value!r:.100}; {manifest.name} makes {manifest.made}, not images,"
                f" and does not take it",
            )


def check_limits(count: int, manifest: Manifest, settings: Settings) -> None:
    """Raise LimitExceeded for more images or pixels than a request may have."""
    check_count(count, settings)
    check_pixels(count, manifest, settings)


def check_count(count: int, settings: Settings, field: str = "count") -> None:
    """Raise LimitExceeded for more images than a request may have."""
    limit = settings.images_per_request
    if count > limit:
        raise LimitExceeded.of(
            field, f"{field} is {count}; at most {limit} images per request are allowed"
        )


def check_pixels(count: int, manifest: Manifest, settings: Settings, field: str = "count") -> None:
    """Raise LimitExceeded for more pixels, samples or tokens than a request may have."""
    millions = count * manifest.positions / 1e6
    if millions > settings.megapixels_per_request:
        raise LimitExceeded.of(
            field,
            f"{field} is {count}, which makes {millions:.1f} {output_of(manifest).counted};"
            f" at most {settings.megapixels_per_request:g} per request are allowed",
        )


def _checked_index(index: int, count: int) -> int:
    if index + count > MAX_UINT64 + 1:
        raise InvalidValue.of("index", f"index is {index}; index + count may be at most 2^64")
    return index


def _spread(labels: int | list[int] | None, count: int) -> NDArray[np.int64] | None:
    """Return int64 `[count]` of a single label or a list."""
    if labels is None:
        return None
    return np.full(count, labels, np.int64) if isinstance(labels, int) else np.array(labels)
