"""Generates files in the calling process, with the bytes that a server would return."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mirage.bundle.errors import BundleError
from mirage.bundle.format.latents import draw_latents, member_of
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import parse_path
from mirage.bundle.store.members import graph_hash, verify_ensemble
from mirage.service.drawing.choice import choose_bundle
from mirage.service.engines.engine import Engine
from mirage.service.engines.runtime import software
from mirage.service.errors import StartError
from mirage.service.host import available_cpus
from mirage.service.media.encoding import Compression
from mirage.service.media.files import item_file
from mirage.service.settings import Settings
from mirage.service.tasks.generate import truncate
from mirage.service.versions.loading import LoadError, Prepared, prepare

Labels = NDArray[np.int64]


class LocalGenerator:
    """A model that generates images, or an ensemble, on `parallel` engines.

    `sha256` is the hash of its graph, and `runtime` the software that image bytes depend on.
    `page` is the size of its batches.
    """

    def __init__(
        self, manifest: Manifest, members: Sequence[Prepared], compression: Compression = "fast"
    ) -> None:
        if manifest.task != "generate":
            raise StartError(
                f"model is {manifest.name}, whose task is {manifest.task}, not generate"
            )
        self.manifest = manifest
        self.parallel = min(len(prepared.engines) for prepared in members)
        self.sha256 = graph_hash([prepared.manifest for prepared in members])
        config = members[0].engines[0].config
        self.runtime = {"provider": config.provider, "precision": config.precision, **software()}
        self.page = min(prepared.max_batch_size for prepared in members)
        self._compression = compression
        self._engines: dict[int, SimpleQueue[Engine]] = {}  # idle ones, by version
        for prepared in members:
            idle = self._engines[prepared.manifest.version] = SimpleQueue()
            for engine in prepared.engines:
                idle.put(engine)
        self.engines = [engine for prepared in members for engine in prepared.engines]

    def draw(
        self, seed: int, span: range, labels: Labels | None = None, truncation: float | None = None
    ) -> Iterator[bytes]:
        """Yield the file of each index of `span`, with a bounded number of items in memory.

        It is a PNG, a WAV or a line of text.

        `labels` is int64 `[len(span)]`; by default, those of a conditional model are drawn.
        """
        pages: deque[Future[list[bytes]]] = deque()
        pool = ThreadPoolExecutor(self.parallel, "mirage-draw")
        try:
            for begin in range(0, len(span), self.page):
                part = slice(begin, begin + self.page)
                given = None if labels is None else labels[part]
                pages.append(pool.submit(self._draw_page, seed, span[part], given, truncation))
                if len(pages) > self.parallel:  # one waits, so that no engine is idle
                    yield from pages.popleft().result()
            while pages:
                yield from pages.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Free the engines, after the last image."""
        for engine in self.engines:
            engine.close()

    def _draw_page(
        self, seed: int, span: range, labels: Labels | None, truncation: float | None
    ) -> list[bytes]:
        manifest = self.manifest
        latents, drawn = draw_latents(
            seed, span.start, len(span), manifest.latent_dim, manifest.num_classes
        )
        latents, labels = truncate(latents, truncation), drawn if labels is None else labels
        inputs: list[NDArray[Any]] = [latents] if labels is None else [latents, labels]
        files, encode = [b""] * len(span), item_file(manifest).encode
        for version, rows in self._rows_by_version(seed, span).items():
            made = self._run(version, [array[rows] for array in inputs])
            for row, item in zip(rows, made, strict=True):
                files[row] = encode(item, manifest, self._compression)
        return files

    def _rows_by_version(self, seed: int, span: range) -> dict[int, list[int]]:
        """The images that each version makes: all, or its share of an ensemble's."""
        if not self.manifest.members:
            return {self.manifest.version: list(range(len(span)))}
        rows: dict[int, list[int]] = {}
        for row, index in enumerate(span):
            rows.setdefault(member_of(self.manifest, seed, index).version, []).append(row)
        return rows

    def _run(self, version: int, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        idle = self._engines[version]
        engine = idle.get()
        try:
            return engine.run(inputs)
        finally:
            idle.put(engine)


def open_generator(
    models: Path | None = None,
    name: str | None = None,
    version: int | None = None,
    worker: int | None = None,
) -> LocalGenerator:
    """Load a model from a folder of bundles, with all checks of the service.

    `models` is by default the service's setting, `name` the only model for this task that is
    released, `version` the released one. A name can also be the folder `DIR/NAME` or
    `DIR/NAME/VERSION`, instead of the others. Settings of engines and of PNG are read from the
    environment, as for the service. `worker` is the number of this process if several draw at the
    same time: it then has one engine with one thread. Raises StartError.
    """
    fixed: dict[str, Any] = {} if models is None else {"models": models}
    if name is not None and (found := parse_path(name)):
        fixed["models"], name, inside = found
        version = inside or version
    if worker is not None:
        fixed |= {"lanes": 1, "threads": 1}
    try:
        settings = Settings(**fixed)
        path = choose_bundle(settings.models, name, version, "generate")
        manifest, paths = read_manifest(path), [path]
        if manifest.members:
            verify_ensemble(path, manifest)
            paths = [path.with_name(str(member.version)) for member in manifest.members]
        members = [prepare(each, settings, worker=worker or 0) for each in paths]
        return LocalGenerator(manifest, members, settings.compression)
    except (BundleError, LoadError, ValidationError) as error:
        raise StartError(str(error)) from error


def useful_processes(provider: str) -> int:
    """The number of processes that keep the machine busy: one for each CPU, or for each GPU."""
    return Settings().gpus if provider == "cuda" else available_cpus()
