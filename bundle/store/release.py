"""The released version of a model: `release.json`, the only file that the service polls."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.strict_json import describe_faults, parse_object
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.durable import replace_file
from mirage.bundle.store.layout import check_version, model_path, version_path
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.members import verify_version

RELEASE_BYTES = 4096
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Version = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=STRICT)
class Canary:
    """A version that serves a share (0 … 1) of the seeds."""

    version: Version
    share: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class Release:
    """The released version, the previously released one, and an optional canary."""

    version: Version
    previous: Version | None = None
    canary: Canary | None = None

    def versions(self) -> set[int]:
        """All versions that it names."""
        canary = self.canary.version if self.canary else None
        return {version for version in (self.version, self.previous, canary) if version}


_SCHEMA = TypeAdapter(Release)


def read_release(root: Path, name: str) -> Release | None:
    """Read the release of a model; None if nothing is released.

    Raises BundleError `release_unreadable` for an invalid file, and `not_found` if there is no
    such model.
    """
    model = model_path(root, name).resolve()  # a link is allowed: it is made by the operator
    with open_folder(model) as folder:
        try:
            return parse_release(folder.read("release.json", RELEASE_BYTES))
        except BundleError as error:
            if error.reason == "file_missing":
                return None
            raise BundleError("release_unreadable", f"{name}: {error}") from None


def release(root: Path, name: str, version: int, canary: Canary | None = None) -> Release:
    """Verify and release a version; the version released before becomes `previous`.

    Ends the current canary unless `canary` is given. Replaces an invalid release.json. Raises
    BundleError like `verify_version`, and `canary_mismatch`, `locked` or `not_found`.
    """
    with lock_model(model_path(root, name), wait=False):
        new = next_release(readable_release(root, name), version, canary)
        return _verify_and_write(root, name, new)


def rollback(root: Path, name: str) -> Release:
    """Swap the released and the previous version; ends a canary.

    Raises BundleError like `verify_version`, and `not_released`, `no_previous`,
    `release_unreadable`, `locked` or `not_found`.
    """
    with lock_model(model_path(root, name), wait=False):
        return _verify_and_write(root, name, swapped_release(name, read_release(root, name)))


def adopt_release(root: Path, name: str, new: Release) -> bool:
    """Write a release that was decided elsewhere, of versions that are verified and here.

    Waits for the model's lock. Returns whether it differs from the current one. Raises BundleError
    `canary_mismatch`, and like `read_manifest`.
    """
    with lock_model(model_path(root, name), wait=True):
        released = read_manifest(version_path(root, name, new.version))
        if new.canary is not None:
            check_canary(released, read_manifest(version_path(root, name, new.canary.version)))
        if readable_release(root, name) == new:
            return False
        _write(root, name, new)
    return True


def next_release(current: Release | None, version: int, canary: Canary | None) -> Release:
    """The release of a version after the current one, whose version becomes `previous`.

    Raises BundleError `name_invalid`, and `canary_mismatch` if the canary is the version itself.
    """
    check_version(version)
    if canary is not None and canary.version == version:
        raise BundleError(
            "canary_mismatch", f"canary is {version}, which is the released version; name another"
        )
    if current is None:
        return Release(version, None, canary)
    previous = current.previous if current.version == version else current.version
    return Release(version, previous, canary)


def swapped_release(name: str, current: Release | None) -> Release:
    """The current release with its previous version; raises `not_released`, `no_previous`."""
    if current is None:
        raise BundleError("not_released", f"{name} has no released version")
    if current.previous is None:
        raise BundleError("no_previous", f"{name}@{current.version} has no previous release")
    return Release(current.previous, current.version)


def readable_release(root: Path, name: str) -> Release | None:
    """Like `read_release`, but returns None for an invalid file."""
    try:
        return read_release(root, name)
    except BundleError as error:
        if error.reason != "release_unreadable":
            raise
        return None


def parse_release(raw: bytes) -> Release:
    """Parse release.json; raises BundleError `release_unreadable`."""
    try:
        return _SCHEMA.validate_json(json.dumps(parse_object(raw)))
    except ValidationError as error:
        problem = describe_faults(error)
    except ValueError as error:
        problem = str(error)
    raise BundleError("release_unreadable", f"release.json: {problem}")


def check_canary(released: Manifest, canary: Manifest) -> None:
    """Raise BundleError `canary_mismatch` unless inputs, outputs and labels are equal."""
    if difference := canary.tell_difference(released):
        raise BundleError(
            "canary_mismatch",
            f"of canary {canary.name}@{canary.version}, {difference} as of the released version"
            f" {released.version}",
        )


def release_json(new: Release) -> bytes:
    """The contents of release.json."""
    fields: dict[str, Any] = {"version": new.version, "previous": new.previous}
    if new.canary is not None:
        fields["canary"] = {"version": new.canary.version, "share": new.canary.share}
    return (json.dumps(fields) + "\n").encode()


def _verify_and_write(root: Path, name: str, new: Release) -> Release:
    released = verify_version(version_path(root, name, new.version))
    if new.canary is not None:
        check_canary(released, verify_version(version_path(root, name, new.canary.version)))
    _write(root, name, new)
    return new


def _write(root: Path, name: str, new: Release) -> None:
    replace_file(model_path(root, name) / "release.json", release_json(new))
