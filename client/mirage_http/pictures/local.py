"""Enlarges pictures in this process, with the engine of the service."""

import os
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal

from ..errors import MirageError, MissingPackage, PictureError
from ..local import INSTALL
from ..new_file import new_file

if TYPE_CHECKING:
    from mirage.service.drawing.local_upscaler import LocalUpscaler


class LocalEnlarger:
    """Enlarges pictures with a model on `parallel` engines; None: on all that it has."""

    def __init__(
        self, upscaler: "LocalUpscaler", parallel: int | None = None, scale: float | None = None
    ) -> None:
        self._upscaler = upscaler
        self._stopped = Event()
        self.scale: float | None = scale or upscaler.scale
        self.parallel = min(parallel or upscaler.parallel, upscaler.parallel)
        self.name = f"{upscaler.model}@{upscaler.version}"
        if scale is not None and scale > upscaler.scale:
            raise MirageError(
                f"scale is {scale:g}; {self.name} enlarges {upscaler.scale} times, and"
                f" 1 < s ≤ {upscaler.scale} is allowed"
            )

    def enlarge(self, picture: Path, path: Path) -> None:
        """See `Enlarger.enlarge`."""
        from mirage.service.errors import ServiceError

        data = picture.read_bytes()
        try:
            with new_file(path) as output:
                for piece in self._upscaler.enlarge(data, self.scale):
                    output.write(piece)
                    if self._stopped.is_set():
                        raise CancelledError
        except ServiceError as error:
            raise PictureError(error.detail) from error

    def stop(self) -> None:
        """See `Enlarger.stop`."""
        self._stopped.set()

    def close(self) -> None:
        """Free the model."""
        self._upscaler.close()


def open_local(
    models: Path | None = None,
    model: str | None = None,
    version: int | None = None,
    parallel: int | None = None,
    scale: float | None = None,
    task: Literal["upscale", "translate"] = "upscale",
) -> LocalEnlarger:
    """Load a model from a folder; by default the service's folder, and its only one for the task.

    Raises MissingPackage without the service, and MirageError if the model cannot be used.
    """
    # Set before onnxruntime is imported, which otherwise reports every session to Microsoft.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        from mirage.service.drawing.local_upscaler import open_upscaler
        from mirage.service.errors import StartError
    except ImportError as error:
        raise MissingPackage(
            f"{error.name} is not installed, which pictures in this process need: run"
            f" {INSTALL}, or name a server with --url"
        ) from error
    try:
        return LocalEnlarger(open_upscaler(models, model, version, task), parallel, scale)
    except StartError as error:
        raise MirageError(str(error)) from error
