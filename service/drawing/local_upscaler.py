"""Converts pictures in the calling process, with the bytes that a server would return."""

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

from pydantic import ValidationError

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Task
from mirage.service.drawing.choice import choose_bundle
from mirage.service.engines.engine import Engine
from mirage.service.errors import StartError
from mirage.service.media.encoding import PNG, Compression
from mirage.service.media.pictures import MAX_SIDE, decode_picture
from mirage.service.settings import Settings
from mirage.service.tasks.larger_picture import Wanted, make_sink, settle_scale
from mirage.service.tasks.translate import picture_job
from mirage.service.versions.loading import LoadError, Prepared, prepare

MAX_PIXELS = MAX_SIDE**2  # of a picture; limits for strangers do not apply to one's own files


class LocalUpscaler:
    """A model that enlarges or translates pictures, on `parallel` engines; threads may share it."""

    def __init__(self, prepared: Prepared, compression: Compression = "fast") -> None:
        manifest, model = prepared.manifest, prepared.manifest.pictures
        if model is None:
            raise StartError(
                f"model is {manifest.name}, whose task is {manifest.task}, not upscale or translate"
            )
        self.model, self.version = manifest.name, manifest.version
        self.scale = model.scale
        self.parallel = len(prepared.engines)
        self._pictures = model
        self._manifest = manifest
        self._tile, self._compression = prepared.tile, compression
        self._engines: SimpleQueue[Engine] = SimpleQueue()  # idle ones
        for engine in prepared.engines:
            self._engines.put(engine)

    def enlarge(self, data: bytes, scale: float | None = None) -> Iterator[bytes]:
        """Yield the PNG of an enlarged PNG, JPEG or WebP file, with memory for a row of tiles.

        Raises InvalidValue for a scale above the model's, and the errors of `decode_picture`.
        """
        scale = settle_scale(scale, f"{self.model}@{self.version}", self._pictures)
        wanted = Wanted(scale, PNG, self._compression)
        picture = decode_picture(data, most_pixels=MAX_PIXELS)
        job = picture_job(self._manifest, [picture], self._tile)
        sink = make_sink(job, picture.icc, wanted)
        engine = self._engines.get()
        try:
            for item in range(len(job)):
                yield from sink.add(engine.run([job[item : item + 1]]))
        finally:
            self._engines.put(engine)
        yield from sink.end()

    def close(self) -> None:
        """Free the engines, after the last picture."""
        for _ in range(self.parallel):
            self._engines.get().close()


def open_upscaler(
    models: Path | None = None,
    name: str | None = None,
    version: int | None = None,
    task: Task = "upscale",
) -> LocalUpscaler:
    """Load a model from a folder of bundles, with all checks of the service.

    `models` is by default the service's setting, `name` the only model for this task that is
    released, `version` the released one. Settings of engines and of PNG are read from the
    environment, as for the service. Raises StartError.
    """
    try:
        settings = Settings() if models is None else Settings(models=models)
        path = choose_bundle(settings.models, name, version, task)
        return LocalUpscaler(prepare(path, settings), settings.compression)
    except (BundleError, LoadError, ValidationError) as error:
        raise StartError(str(error)) from error
