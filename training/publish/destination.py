"""Where models are published: a folder of models, or object storage."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import Bundle, load_bundle, read_manifest
from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.remote.objects import is_url, open_objects
from mirage.bundle.remote.pull import pull_version
from mirage.bundle.remote.push import push_next
from mirage.bundle.remote.release import release_at
from mirage.bundle.store.layout import (
    is_version_name,
    list_models,
    list_versions,
    model_path,
    version_path,
)
from mirage.bundle.store.lock import lock_job
from mirage.bundle.store.release import read_release, release
from mirage.training.errors import UsageError
from mirage.training.publish.bundle_contents import find_published

Write = Callable[[Path], Path]
"""Publishes the next version into the folder `models/NAME`; returns the version's folder."""


class Destination(Protocol):
    """The versions of one model, `name`; all methods raise BundleError."""

    name: str

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        """Hold off other jobs of this model on this machine; raises BundleError `locked`."""

    def released(self) -> Bundle | None:
        """The released version, verified; None if nothing is released."""

    def released_manifest(self) -> Manifest | None:
        """The manifest of the released version, whose files are not verified."""

    def versions(self) -> list[int]:
        """All versions, in ascending order."""

    def find(self, model_sha256: str) -> int | None:
        """The newest version that holds this graph."""

    def publish(self, write: Write) -> int:
        """Publish what `write` makes as the next version.

        Nothing is published if the newest version with a graph has this graph and description;
        then its number is returned.
        """

    def release(self, version: int) -> None:
        """Release a version, unless it is released."""


def open_destination(to: str, runs: Path) -> Destination:
    """The destination of `models/NAME` or `URL/NAME`.

    runs: a folder for what is read of object storage. Raises BundleError like `open_objects`, and
    UsageError for a URL without a name, and like `check_model_folder`.
    """
    if not is_url(to):
        check_model_folder(Path(to))
        return FolderDestination(Path(to))
    url, _, name = to.rstrip("/").rpartition("/")
    if url.endswith("/"):
        raise UsageError(f"--to is {to}, a bucket without a model's name; URL/NAME is allowed")
    if is_version_name(name):
        raise _a_version(to, url)
    return RemoteDestination(RemoteModels(open_objects(url)), name, runs)


def check_model_folder(to: Path) -> None:
    """Raise UsageError for the folder of a version, or of models: a version inside damages them."""
    if is_version_name(to.name):
        raise _a_version(to, to.parent)
    # A model's folder has versions, which may have been damaged so.
    models = [name for name in list_models(to) if not is_version_name(name)] if to.is_dir() else []
    if models:
        raise UsageError(f"--to is {to}, a folder of models; name a model: {to / models[0]}")


def _a_version(to: Path | str, model: Path | str) -> UsageError:
    return UsageError(f"--to is {to}, a version; name the model: {model}")


class FolderDestination:
    """The model in the folder `to`, `models/NAME`."""

    def __init__(self, to: Path) -> None:
        self.to, self.root, self.name = to, to.parent, to.name
        self._model = model_path(self.root, self.name)

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        self._model.mkdir(parents=True, exist_ok=True)
        return lock_job(self._model, wait=wait)

    def released(self) -> Bundle | None:
        current = read_release(self.root, self.name)
        if current is None:
            return None
        return load_bundle(version_path(self.root, self.name, current.version))

    def released_manifest(self) -> Manifest | None:
        current = read_release(self.root, self.name) if self.to.exists() else None
        if current is None:
            return None
        return read_manifest(version_path(self.root, self.name, current.version))

    def versions(self) -> list[int]:
        return list_versions(self.root, self.name)

    def find(self, model_sha256: str) -> int | None:
        path = find_published(self.to, model_sha256)
        return load_bundle(path).manifest.version if path else None

    def publish(self, write: Write) -> int:
        return int(write(self.to).name)

    def release(self, version: int) -> None:
        current = read_release(self.root, self.name)
        if current is None or current.version != version:
            release(self.root, self.name, version)


class RemoteDestination:
    """The model `name` in object storage; the released version is copied under `runs`."""

    def __init__(self, remote: RemoteModels, name: str, runs: Path) -> None:
        self.remote, self.name, self._runs = remote, name, runs
        place = hashlib.sha256(remote.objects.url.encode()).hexdigest()[:12]
        self._copies = runs / ".remote" / place
        self._model = model_path(self._copies, name)

    def lock(self, *, wait: bool) -> AbstractContextManager[None]:
        self._model.mkdir(parents=True, exist_ok=True)
        return lock_job(self._model, wait=wait)

    def released(self) -> Bundle | None:
        current = self.remote.read_release(self.name)
        if current is None:
            return None
        version = current.release.version
        pull_version(self.remote, self._copies, self.remote.read_manifest(self.name, version))
        return load_bundle(version_path(self._copies, self.name, version))

    def released_manifest(self) -> Manifest | None:
        current = self.remote.read_release(self.name)
        if current is None:
            return None
        return self.remote.read_manifest(self.name, current.release.version).manifest

    def versions(self) -> list[int]:
        return self.remote.list_versions(self.name)

    def find(self, model_sha256: str) -> int | None:
        for manifest in self._manifests_with_graphs():
            if _graph_of(manifest) == model_sha256:
                self.remote.check_files(manifest)
                return manifest.version
        return None

    def _manifests_with_graphs(self) -> Iterator[Manifest]:
        """Newest first; ensembles have no graph of their own."""
        for version in reversed(self.versions()):
            manifest = self.remote.read_manifest(self.name, version).manifest
            if not manifest.members:
                yield manifest

    def publish(self, write: Write) -> int:
        with self._draft() as root:
            path = write(root / self.name)
            same = self._published_already(read_manifest(path))
            return same or push_next(root, self.name, int(path.name), self.remote).version

    def _published_already(self, draft: Manifest) -> int | None:
        newest = next(self._manifests_with_graphs(), None)
        if newest is None or newest.description != draft.description:
            return None
        if _graph_of(newest) != _graph_of(draft):
            return None
        self.remote.check_files(newest)
        return newest.version

    def release(self, version: int) -> None:
        current = self.remote.read_release(self.name)
        if current is None or current.release.version != version:
            release_at(self.remote, self.name, version)

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """A folder of models of its own, so that its numbers mean nothing."""
        self._copies.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=self._copies) as folder:
            yield Path(folder)


def _graph_of(manifest: Manifest) -> str:
    return manifest.files["model.onnx"].sha256
