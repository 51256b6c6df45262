"""Holds a walk against a model: points of seeds or latents become the frames between them."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.settings import Settings
from mirage.service.tasks.generate import (
    GenerateJob,
    check_pixels,
    class_index,
    move_latents,
    truncate,
)
from mirage.service.tasks.requests import STEPS, InterpolateRequest, Point

FLAT = 1e-4  # |sin ω| below which an arc is as good as a line, or has no plane to lie in


@dataclass(frozen=True)
class Keyframe:
    """A point of a walk: float32 latent `[latent_dim]`, its class, and whether it was named."""

    latent: NDArray[np.float32]
    label: int | None
    named: bool


def starting_seed(fields: InterpolateRequest) -> tuple[int | None, int]:
    """Seed and index of the first point, by which the whole walk is one version's.

    No seed when any point brings latents.
    """
    first = fields.points[0]
    if any(point.latents is not None for point in fields.points):
        return None, 0
    return first.seed, first.index or 0


def make_walk(fields: InterpolateRequest, manifest: Manifest, settings: Settings) -> GenerateJob:
    """Check a walk against the model and the limits, and lay out its frames.

    Raises InvalidValue, LimitExceeded.
    """
    steps, loop = fields.steps or STEPS, bool(fields.loop)
    _check_frames(count_frames(len(fields.points), steps, loop), manifest, settings)
    _check_truncation(fields)
    keyframes = [_keyframe(number, point, manifest) for number, point in enumerate(fields.points)]
    legs = list(pairwise([*keyframes, keyframes[0]] if loop else keyframes))
    last = [] if loop else keyframes[-1:]
    path = [segment(a.latent, b.latent, steps) for a, b in legs]
    latents = np.concatenate([*path, *(keyframe.latent[None] for keyframe in last)])
    latents = truncate(latents, fields.truncation)
    moved = move_latents(latents, fields.directions, manifest)
    nearest = [(a if 2 * step <= steps else b).label for a, b in legs for step in range(steps)]
    labels = nearest + [keyframe.label for keyframe in last]
    return GenerateJob(moved, _labels(keyframes, labels, manifest), None, 0)


def count_frames(points: int, steps: int, loop: bool) -> int:
    """The frames of a walk: those of each segment, and the last point unless it loops."""
    return points * steps if loop else (points - 1) * steps + 1


def segment(
    start: NDArray[np.float32], end: NDArray[np.float32], steps: int
) -> NDArray[np.float32]:
    """`steps` latents on the great arc from `start`, which is the first, to before `end`.

    float32 `[latent_dim]` → `[steps, latent_dim]`; in float64 on the way (Shoemake 1985).
    """
    a, b = start.astype(np.float64), end.astype(np.float64)
    angle = _angle(a, b) if steps > 1 else 0.0  # the start alone is on every way
    sine = math.sin(angle)
    shares = [step / steps for step in range(steps)]
    if abs(sine) < FLAT:
        weights = [(1 - share, share) for share in shares]
    else:
        weights = [
            (math.sin((1 - share) * angle) / sine, math.sin(share * angle) / sine)
            for share in shares
        ]
    return np.array([u * a + v * b for u, v in weights], np.float32)


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Radians between two vectors; 0 if one is zero. Exact sums, the same on every machine."""
    lengths = math.sqrt(_sum(a * a)) * math.sqrt(_sum(b * b))
    if not lengths:
        return 0.0
    return math.acos(max(-1.0, min(1.0, _sum(a * b) / lengths)))


def _sum(values: NDArray[np.float64]) -> float:
    return math.fsum(values.tolist())  # of Python's own floats, in half the time


def _check_frames(count: int, manifest: Manifest, settings: Settings) -> None:
    most = settings.frames_per_request
    if count > most:
        raise LimitExceeded.of(
            "steps", f"points and steps make {count} frames; at most {most} are allowed"
        )
    check_pixels(count, manifest, settings, "frames")


def _check_truncation(fields: InterpolateRequest) -> None:
    if fields.truncation is not None and any(point.latents for point in fields.points):
        raise InvalidValue.of(
            "truncation", f"truncation is {fields.truncation}; points of latents exclude it"
        )


def _keyframe(number: int, point: Point, manifest: Manifest) -> Keyframe:
    latent, drawn = _latent(number, point, manifest)
    if point.label is None:
        return Keyframe(latent, drawn, named=False)
    if not manifest.num_classes:
        raise _refusal(number, "label", f"is {point.label!r:.100}; {manifest.name} has no classes")
    label = class_index(point.label, manifest, loc=("points", number, "label"))
    return Keyframe(latent, label, named=True)


def _latent(
    number: int, point: Point, manifest: Manifest
) -> tuple[NDArray[np.float32], int | None]:
    """A point's latent, and the label that its seed draws on a conditional model."""
    if point.latents is None:
        if point.seed is None:
            raise _refusal(number, "seed", "is absent, and so are latents; one is needed")
        latents, labels = draw_latents(
            point.seed, point.index or 0, 1, manifest.latent_dim, manifest.num_classes
        )
        return latents[0], None if labels is None else int(labels[0])
    for name in ("seed", "index"):
        if (value := getattr(point, name)) is not None:
            raise _refusal(number, name, f"is {value}; latents exclude it")
    if len(point.latents) != manifest.latent_dim:
        message = f"has {len(point.latents)} values; latent_dim is {manifest.latent_dim}"
        raise _refusal(number, "latents", message)
    return np.array(point.latents, np.float32), None


def _labels(
    keyframes: list[Keyframe], nearest: list[int | None], manifest: Manifest
) -> NDArray[np.int64] | None:
    """int64 `[n]`: those of the nearest points if all are named, else the first point's for all."""
    if not manifest.num_classes:
        return None
    if all(keyframe.named for keyframe in keyframes):
        return np.array(nearest, np.int64)
    if keyframes[0].label is None:
        raise _refusal(0, "label", "is absent; latents need one")
    return np.full(len(nearest), keyframes[0].label, np.int64)


def _refusal(number: int, field: str, message: str) -> InvalidValue:
    message = f"points[{number}].{field} {message}"
    return InvalidValue(message, errors=[{"loc": ["points", number, field], "msg": message}])
