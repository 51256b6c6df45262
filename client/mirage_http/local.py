"""Generates images in this process, with the engine of the service."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import MirageError, MissingPackage
from .generate_call import RANDOM_SEEDS
from .item import OUTPUTS, GeneratedFile, suffix_of
from .responses import Model, ModelDetail, ModelVersion

if TYPE_CHECKING:
    from mirage.service.drawing.local_generator import LocalGenerator

INSTALL = "pip install -e '.[cpu]' in a checkout of Mirage"


class LocalSource:
    """One version of a model, which makes images as a server would; see `Source`.

    `runtime` is the software that image bytes depend on.
    """

    def __init__(self, generator: "LocalGenerator") -> None:
        self._generator = generator
        manifest = generator.manifest
        self.runtime = generator.runtime
        self._version = ModelVersion(
            version=manifest.version,
            sha256=generator.sha256,
            latent_dim=manifest.latent_dim,
            labels=manifest.labels,
            **_sides(generator),
            suffix=suffix_of(manifest.made),
        )
        self._detail = ModelDetail(
            name=manifest.name,
            released=manifest.version,
            versions=(manifest.version,),
            default=True,
            task=manifest.task,
            runtime=generator.runtime,
            loaded=(self._version,),
        )

    def models(self) -> list[Model]:
        """The one model."""
        return [self._detail]

    def model(self, name: str) -> ModelDetail:
        """The one model; raises MirageError for another name."""
        if name != self._detail.name:
            raise MirageError(f"model is {name}; {self._detail.name} is loaded")
        return self._detail

    def stream_files(
        self,
        count: int,
        *,
        seed: int | None = None,
        index: int = 0,
        labels: Callable[[int], int] | None = None,
        truncation: float | None = None,
        model: str | None = None,
        version: int | None = None,
    ) -> Iterator[GeneratedFile]:
        """See `Source.stream_files`; `model` and `version` are those of the source."""
        import numpy as np  # which the service needs too

        seed = secrets.randbelow(RANDOM_SEEDS) if seed is None else seed
        span = range(index, index + count)
        given = None if labels is None else np.fromiter(map(labels, span), np.int64, count)
        media_type = OUTPUTS[self._generator.manifest.made]
        files = self._generator.draw(seed, span, given, truncation)
        for number, data in enumerate(files):
            yield GeneratedFile(
                data=data,
                media_type=media_type,
                seed=seed,
                index=index + number,
                label=None if given is None else int(given[number]),
                model=self._detail.name,
                version=self._version.version,
            )

    def close(self) -> None:
        """Free the model."""
        self._generator.close()


def _sides(generator: "LocalGenerator") -> dict[str, int | None]:
    """The sides and channels of images; None for other outputs."""
    manifest = generator.manifest
    sides = manifest.outputs[0].sizes[1:] if manifest.made == "images" else (None,) * 3
    return dict(zip(("height", "width", "channels"), sides, strict=True))


def open_local(
    models: Path | None, model: str, version: int | None, worker: int | None = None
) -> LocalSource:
    """Load a model by its name or folder, by default of the service's folder and the released one.

    `worker` is the number of this process if several draw at the same time. Raises MissingPackage
    without the service, and MirageError if the model cannot be used.
    """
    # Set before onnxruntime is imported, which otherwise reports every session to Microsoft.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        from mirage.service.drawing.local_generator import open_generator
        from mirage.service.errors import StartError
    except ImportError as error:
        raise _missing(error) from error
    try:
        return LocalSource(open_generator(models, model, version, worker))
    except StartError as error:
        raise MirageError(str(error)) from error


def useful_processes(provider: str) -> int:
    """The number of processes that keep the machine busy; raises MissingPackage."""
    try:
        from mirage.service.drawing.local_generator import useful_processes
    except ImportError as error:
        raise _missing(error) from error
    return useful_processes(provider)


def _missing(error: ImportError) -> MissingPackage:
    return MissingPackage(
        f"{error.name} is not installed, which drawing in this process needs: run {INSTALL}"
    )
