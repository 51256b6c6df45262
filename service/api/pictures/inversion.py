"""Inverts one picture with a version of a generator."""

import functools
from collections.abc import Generator
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.service.api.pictures.upscaler import in_thread
from mirage.service.api.state import Service
from mirage.service.batching.queue import EntryResult
from mirage.service.errors import InvalidValue
from mirage.service.media.fitting import fit_picture
from mirage.service.media.pictures import decode_picture
from mirage.service.tasks.generate import GenerateJob, check_images, class_index
from mirage.service.tasks.invert import (
    ENCODED_ITERATIONS,
    ITERATIONS,
    Inversion,
    Start,
    Trial,
    batch_images,
    check_size,
    invert,
    likely_classes,
)
from mirage.service.tasks.requests import InvertRequest
from mirage.service.versions.version import LoadedVersion, Servable

Pixels = NDArray[np.uint8]
TYPICAL_SEED, TYPICAL_COUNT = 0, 3  # generated images whose median error is told beside a picture's


@dataclass(frozen=True)
class Inverted:
    """The answer: what was found, the error of typical generated images, and the images made.

    `outcome` has the times in the queue and the engine, in seconds.
    """

    found: Inversion
    typical_error: float
    images: int
    outcome: EntryResult


class Inverter:
    """A version of a generator that inverts a picture by a deadline in `time.monotonic()` seconds.

    Raises InvalidValue for an ensemble or a bad label, and LimitExceeded for a model that is too
    large.
    """

    def __init__(
        self, service: Service, found: Servable, fields: InvertRequest, deadline: float
    ) -> None:
        manifest = found.manifest
        if not isinstance(found, LoadedVersion):
            versions = ", ".join(str(member.version) for member in manifest.members)
            raise InvalidValue.of(
                "version",
                f"{manifest.name}@{manifest.version} is an ensemble, which cannot be inverted;"
                f" name one of its members: version {versions}",
            )
        check_images(manifest, model=manifest.name)
        check_size(manifest)
        self._service, self.version, self._deadline = service, found, deadline
        self._label = _label(fields.label, manifest)
        default = ENCODED_ITERATIONS if found.encoder else ITERATIONS
        self._iterations = fields.iterations or default

    @property
    def manifest(self) -> Manifest:
        """The manifest of the version."""
        return self.version.manifest

    @property
    def images(self) -> int:
        """Number of images that an inversion makes."""
        latent_dim, begun = self.manifest.latent_dim, 1
        if self.version.encoder is None:
            classes = likely_classes(self.manifest, self._label, None)
            begun = Start(None, classes).count(latent_dim)
        return begun + self._iterations * batch_images(latent_dim)

    def check_deadline(self) -> None:
        """Raise DeadlineUnreachable if the images cannot be made in time."""
        self.version.check_deadline(self._deadline, self.images)

    async def decode(self, data: bytes, pixels: int) -> Pixels:
        """Decode a file of at most so many pixels, and fit it to the model: uint8 `[H, W, C]`.

        Raises the errors of `decode_picture`.
        """

        def decode() -> Pixels:
            return fit_picture(decode_picture(data, most_pixels=pixels), self.manifest.image)

        return await in_thread(self._service, decode)

    async def run(self, picture: Pixels) -> Inverted:
        """Invert a picture, uint8 `[H, W, C]`. Raises the errors of `Batcher.submit`."""
        # First what is remembered: if the deadline passes, the next request has less to do.
        typical_error = await self._typical_error()
        found, images, outcome = await self._invert(picture, self._label)
        return Inverted(found, typical_error, images, outcome)

    async def _typical_error(self) -> float:
        """Return the median error of generated images, which are inverted once per version."""
        known = self.version.typical_errors
        keys = [(self._iterations, index) for index in range(TYPICAL_COUNT)]
        for key in keys:
            if key not in known:
                known[key] = await self._own_error(key[1])
        return median(known[key] for key in keys)

    async def _own_error(self, index: int) -> float:
        """Return the error of an image that the model itself has made."""
        manifest = self.manifest
        drawn = draw_latents(TYPICAL_SEED, index, 1, manifest.latent_dim, manifest.num_classes)
        made = await self._generate(Trial(*drawn))
        label = None if drawn[1] is None else int(drawn[1][0])
        found, _, _ = await self._invert(made.rows[0], label)
        return found.error

    async def _invert(
        self, picture: Pixels, label: int | None
    ) -> tuple[Inversion, int, EntryResult]:
        """Return what was found, the number of images made, and the times."""
        start = await in_thread(self._service, lambda: self._start(picture, label))
        search = invert(picture, self.manifest.latent_dim, start, self._iterations)
        images, queue_s, run_s = 0, 0.0, 0.0
        step: Trial | Inversion = next(search)
        while isinstance(step, Trial):
            made = await self._generate(step)
            images, queue_s, run_s = (
                images + len(made.rows),
                queue_s + made.queue_s,
                run_s + made.run_s,
            )
            step = await in_thread(self._service, functools.partial(_send, search, made.rows))
        return step, images, EntryResult(step.image[None], queue_s, run_s)

    def _start(self, picture: Pixels, label: int | None) -> Start:
        if self.version.encoder is None:
            return Start(None, likely_classes(self.manifest, label, None))
        latents, logits = self.version.encoder.run(picture)
        return Start(latents, likely_classes(self.manifest, label, logits))

    async def _generate(self, trial: Trial) -> EntryResult:
        job = GenerateJob(trial.latents, trial.labels, None, 0)
        return await self.version.generate(job, self._deadline)


def _send(search: Generator[Trial, Pixels, Inversion], images: Pixels) -> Trial | Inversion:
    """Continue a search on a thread, which StopIteration cannot leave."""
    try:
        return search.send(images)
    except StopIteration as end:
        found: Inversion = end.value
        return found


def _label(label: str | None, manifest: Manifest) -> int | None:
    if label is None:
        return None
    if not manifest.num_classes:
        raise InvalidValue.of("label", f"label is given; {manifest.name} has no classes")
    return class_index(label, manifest, text=True, loc=("label",))
