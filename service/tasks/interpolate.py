"""The task `interpolate`: points in latent space become frames on the path through them."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.store.directions import NO_DIRECTIONS, NamedDirections
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.settings import Settings
from mirage.service.tasks.directions import move_latents
from mirage.service.tasks.generate import (
    GenerateJob,
    check_pixels,
    class_index,
    truncate,
)
from mirage.service.tasks.requests import STEPS, InterpolateRequest, Point

# Below this |sin ω| the path is a line: the arc differs from it by less than rounding, or, between
# opposite vectors, is not defined.
MIN_SINE = 1e-4


@dataclass(frozen=True)
class Keyframe:
    """A point of an interpolation: latent float32 `[latent_dim]`, and its class if it has one.

    `is_labelled`: whether the request states the class.
    """

    latent: NDArray[np.float32]
    label: int | None
    is_labelled: bool


def starting_seed(fields: InterpolateRequest) -> tuple[int | None, int]:
    """Return the seed and index of the first point, which choose the version for all frames.

    The seed is None if any point has latents.
    """
    first = fields.points[0]
    if any(point.latents is not None for point in fields.points):
        return None, 0
    return first.seed, first.index or 0


def build_interpolation(
    fields: InterpolateRequest,
    manifest: Manifest,
    settings: Settings,
    named: NamedDirections = NO_DIRECTIONS,
) -> GenerateJob:
    """Check an interpolation against the model and the limits, and compute its frames.

    `named`: the directions that the model's owner has named. Raises InvalidValue and LimitExceeded.
    """
    steps, loop = fields.steps or STEPS, bool(fields.loop)
    _check_frames(count_frames(len(fields.points), steps, loop), manifest, settings)
    _check_truncation(fields)
    keyframes = [
        _keyframe(number, point, manifest, named) for number, point in enumerate(fields.points)
    ]
    pairs = list(pairwise([*keyframes, keyframes[0]] if loop else keyframes))
    last = [] if loop else keyframes[-1:]
    segments = [segment(a.latent, b.latent, steps) for a, b in pairs]
    latents = np.concatenate([*segments, *(keyframe.latent[None] for keyframe in last)])
    latents = truncate(latents, fields.truncation)
    moved = move_latents(latents, fields.directions, manifest, named)
    nearest = [(a if 2 * step <= steps else b).label for a, b in pairs for step in range(steps)]
    labels = nearest + [keyframe.label for keyframe in last]
    return GenerateJob(moved, _labels(keyframes, labels, manifest), None, 0)


def count_frames(points: int, steps: int, loop: bool) -> int:
    """Return the number of frames: `steps` per segment, and the last point unless it loops."""
    return points * steps if loop else (points - 1) * steps + 1


def segment(
    start: NDArray[np.float32], end: NDArray[np.float32], steps: int
) -> NDArray[np.float32]:
    """Interpolate spherically from `start` (included) to `end` (excluded) in equal steps.

    float32 `[latent_dim]` → `[steps, latent_dim]`, computed in float64 (slerp, Shoemake 1985).
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    angle = _angle(a, b) if steps > 1 else 0.0
    sine = math.sin(angle)
    fractions = [step / steps for step in range(steps)]
    if abs(sine) < MIN_SINE:
        weights = [(1 - t, t) for t in fractions]
    else:
        weights = [
            (math.sin((1 - t) * angle) / sine, math.sin(t * angle) / sine) for t in fractions
        ]
    return np.array([u * a + v * b for u, v in weights], np.float32)


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the angle between two vectors in radians; 0 if one of them is zero.

    Sums are exact, and therefore the same on every machine.
    """
    lengths = math.sqrt(_sum(a * a)) * math.sqrt(_sum(b * b))
    if not lengths:
        return 0.0
    return math.acos(max(-1.0, min(1.0, _sum(a * b) / lengths)))


def _sum(values: NDArray[np.float64]) -> float:
    return math.fsum(values.tolist())  # twice as fast as on an array


def _check_frames(count: int, manifest: Manifest, settings: Settings) -> None:
    limit = settings.frames_per_request
    if count > limit:
        raise LimitExceeded.of(
            "steps", f"points and steps make {count} frames; at most {limit} are allowed"
        )
    check_pixels(count, manifest, settings, "frames")


def _check_truncation(fields: InterpolateRequest) -> None:
    if fields.truncation is None:
        return
    for point in fields.points:
        if point.latents or point.directions:
            what = "points of latents" if point.latents else "directions of points"
            raise InvalidValue.of(
                "truncation",
                f"truncation is {fields.truncation}; it cannot be combined with {what}",
            )


def _keyframe(number: int, point: Point, manifest: Manifest, named: NamedDirections) -> Keyframe:
    drawn_latent, drawn = _latent(number, point, manifest)
    loc = ("points", number, "directions")
    latent = move_latents(drawn_latent[None], point.directions, manifest, named, loc)[0]
    if point.label is None:
        return Keyframe(latent, drawn, is_labelled=False)
    if not manifest.num_classes:
        raise _invalid(number, "label", f"is {point.label!r:.100}; {manifest.name} has no classes")
    label = class_index(point.label, manifest, loc=("points", number, "label"))
    return Keyframe(latent, label, is_labelled=True)


def _latent(
    number: int, point: Point, manifest: Manifest
) -> tuple[NDArray[np.float32], int | None]:
    """Return a point's latent, and the label drawn from its seed if the model has classes."""
    if point.latents is None:
        if point.seed is None:
            raise _invalid(number, "seed", "is absent; a point requires a seed or latents")
        latents, labels = draw_latents(
            point.seed, point.index or 0, 1, manifest.latent_dim, manifest.num_classes
        )
        return latents[0], None if labels is None else int(labels[0])
    for name in ("seed", "index"):
        if (value := getattr(point, name)) is not None:
            raise _invalid(number, name, f"is {value}; it cannot be combined with latents")
    if len(point.latents) != manifest.latent_dim:
        message = f"has {len(point.latents)} values; latent_dim is {manifest.latent_dim}"
        raise _invalid(number, "latents", message)
    return np.array(point.latents, np.float32), None


def _labels(
    keyframes: list[Keyframe], nearest: list[int | None], manifest: Manifest
) -> NDArray[np.int64] | None:
    """Return int64 `[n]`: labels of the nearest points if all have one, else the first point's."""
    if not manifest.num_classes:
        return None
    if all(keyframe.is_labelled for keyframe in keyframes):
        return np.array(nearest, np.int64)
    if keyframes[0].label is None:
        raise _invalid(0, "label", "is absent; latents require a label")
    return np.full(len(nearest), keyframes[0].label, np.int64)


def _invalid(number: int, field: str, message: str) -> InvalidValue:
    message = f"points[{number}].{field} {message}"
    return InvalidValue(message, errors=[{"loc": ["points", number, field], "msg": message}])
