"""Models in object storage.

Objects have the names of files in a folder of models: `NAME/VERSION/FILE`, `NAME/release.json` and
`NAME/directions-VERSION.json`. Two are added: `NAME/VERSION/.claim` reserves a number, and
`models.json` names all released models, so that followers need no LIST.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from mirage.bundle.errors import BundleError
from mirage.bundle.format.limits import DEFAULT_LIMITS, MIB
from mirage.bundle.format.manifest import Manifest, ModelName, parse_manifest
from mirage.bundle.format.strict_json import describe_faults, parse_object
from mirage.bundle.remote.objects import Entry, ObjectStore, Readable
from mirage.bundle.store.directions import directions_path
from mirage.bundle.store.layout import is_model_name, model_path, version_path
from mirage.bundle.store.release import RELEASE_BYTES, Release, parse_release, release_json

MANIFEST, CLAIM = "manifest.json", ".claim"
INDEX = "models.json"
INDEX_BYTES = MIB
MAX_MODELS = 1000
STORE_WIDE = ("bucket_missing", "remote_denied", "remote_unreachable")
"""The reasons of what is wrong with the store rather than with one model."""

_INDEX = TypeAdapter(dict[str, Annotated[list[ModelName], Field(max_length=MAX_MODELS)]])
_NOWHERE = Path()


class RemoteManifest(NamedTuple):
    """A manifest, its bytes, and the sha256 of these as `sha256:…`."""

    manifest: Manifest
    contents: bytes
    digest: str


class RemoteRelease(NamedTuple):
    """A release, and the tag of the object that it was read from."""

    release: Release
    tag: str


class RemoteIndex(NamedTuple):
    """The sorted names of the released models, and the tag of their object."""

    names: tuple[str, ...]
    tag: str | None


@dataclass(frozen=True)
class RemoteVersions:
    """Versions of models that can be read."""

    objects: Readable

    def read_manifest(self, name: str, version: int) -> RemoteManifest:
        """The manifest of a version, which is not there without one.

        Raises BundleError `not_found`, `manifest_mismatch`, and like `parse_manifest`.
        """
        where = file_name(name, version, MANIFEST)
        try:
            contents = self.objects.get(where, DEFAULT_LIMITS.manifest_bytes)
        except BundleError as error:
            if error.reason != "object_missing":
                raise
            raise BundleError("not_found", f"{self.objects.url} has no {name}@{version}") from None
        manifest = parse_manifest(contents)
        if (manifest.name, manifest.version) != (name, version):
            raise BundleError(
                "manifest_mismatch",
                f"{self.objects.url}/{where} is that of {manifest.name}@{manifest.version}",
            )
        return RemoteManifest(manifest, contents, digest_of(contents))


@dataclass(frozen=True)
class RemoteModels(RemoteVersions):
    """The models under the URL of an object store.

    Every method raises BundleError `name_invalid`, and like those of `ObjectStore`.
    """

    objects: ObjectStore

    def read_release(self, name: str, unless: str | None = None) -> RemoteRelease | None:
        """The release of a model; None if nothing is released, or its tag is still `unless`.

        Raises BundleError `release_unreadable`.
        """
        try:
            found = self.objects.read(release_name(name), RELEASE_BYTES, unless)
        except BundleError as error:
            if error.reason != "object_missing":
                raise
            return None
        if found is None:
            return None
        try:
            return RemoteRelease(parse_release(found.contents), found.tag)
        except BundleError as error:
            where = f"{self.objects.url}/{release_name(name)}"
            raise BundleError(error.reason, f"{where}: {error}") from None

    def swap_release(self, name: str, new: Release, current: RemoteRelease | None) -> None:
        """Replace the release that was read; raises BundleError `object_changed`."""
        tag = current.tag if current else None
        self.objects.swap(release_name(name), release_json(new), tag)

    def read_index(self) -> RemoteIndex:
        """The released models; raises BundleError `release_unreadable` for an invalid index."""
        try:
            found = self.objects.read(INDEX, INDEX_BYTES)
        except BundleError as error:
            if error.reason != "object_missing":
                raise
            return RemoteIndex((), None)
        assert found is not None  # without a tag there is always an answer
        try:
            names = _INDEX.validate_json(json.dumps(parse_object(found.contents)))["models"]
        except (KeyError, ValueError) as error:
            problem = describe_faults(error) if isinstance(error, ValidationError) else str(error)
            where = f"{self.objects.url}/{INDEX}"
            raise BundleError("release_unreadable", f"{where}: {problem}") from None
        return RemoteIndex(tuple(sorted(names)), found.tag)

    def swap_index(self, names: set[str], current: RemoteIndex) -> None:
        """Replace the index that was read; raises BundleError `object_changed`."""
        contents = json.dumps({"models": sorted(names)}) + "\n"
        self.objects.swap(INDEX, contents.encode(), current.tag)

    def check_files(self, found: Manifest) -> None:
        """Check that all files of a version are there and have their sizes; readers check hashes.

        Raises BundleError `file_missing` or `file_size`.
        """
        for file, entry in found.files.items():
            where = file_name(found.name, found.version, file)
            size = self.objects.size(where)
            if size is None:
                raise BundleError("file_missing", f"{self.objects.url}/{where} does not exist")
            if size != entry.size_bytes:
                raise BundleError(
                    "file_size",
                    f"{self.objects.url}/{where} has {size} bytes; the manifest says"
                    f" {entry.size_bytes}",
                )

    def list_models(self) -> list[str]:
        """The sorted names of all models, released or not: a LIST."""
        return [name for name in self.objects.folders() if is_model_name(name)]

    def entries(self, name: str) -> dict[int, list[Entry]]:
        """The objects of each number of a model, in ascending order: LISTs.

        A number is a version if its manifest is among them.
        """
        found: dict[int, list[Entry]] = {}
        for entry in self.objects.entries(model_name(name)):
            number = entry.name.removeprefix(f"{model_name(name)}/").partition("/")[0]
            if number.isdecimal():
                found.setdefault(int(number), []).append(entry)
        return dict(sorted(found.items()))

    def list_versions(self, name: str) -> list[int]:
        """The versions of a model in ascending order: LISTs."""
        return [
            version
            for version, entries in self.entries(name).items()
            if any(entry.name == file_name(name, version, MANIFEST) for entry in entries)
        ]


def model_name(name: str) -> str:
    """The prefix of a model's objects; raises BundleError `name_invalid`."""
    return model_path(_NOWHERE, name).as_posix()


def file_name(name: str, version: int, file: str) -> str:
    """The object of a version's file; raises BundleError `name_invalid`."""
    return (version_path(_NOWHERE, name, version) / file).as_posix()


def release_name(name: str) -> str:
    """The object of a model's release."""
    return f"{model_name(name)}/release.json"


def directions_name(name: str, version: int) -> str:
    """The object of a version's named directions."""
    return directions_path(version_path(_NOWHERE, name, version)).as_posix()


def digest_of(contents: bytes) -> str:
    """The sha256 of a manifest as `sha256:…`."""
    return f"sha256:{hashlib.sha256(contents).hexdigest()}"
