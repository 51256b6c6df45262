"""Copying a version into object storage.

The number is reserved first, by an object that can only be created: `.claim`, which holds the hash
of the manifest. Then come the files, then names of directions, and the manifest last. A version
without a manifest is not there, so readers never see half of one. Whoever repeats an interrupted
push has the same manifest, finds its own claim, and goes on.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.limits import DEFAULT_LIMITS
from mirage.bundle.format.manifest import Manifest, parse_manifest
from mirage.bundle.remote.models import (
    CLAIM,
    MANIFEST,
    RemoteModels,
    digest_of,
    directions_name,
    file_name,
    model_name,
)
from mirage.bundle.remote.renumber import renumber
from mirage.bundle.store.directions import directions_path
from mirage.bundle.store.layout import version_path
from mirage.bundle.store.members import verify_version

CLAIM_BYTES = 4096
NOTHING: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Pushed:
    """A version in object storage; digest: the sha256 of its manifest, `sha256:…`.

    repeated: it was there already.
    """

    name: str
    version: int
    digest: str
    repeated: bool = False


def push(root: Path, name: str, version: int, remote: RemoteModels) -> Pushed:
    """Verify a version and copy it under its own number; a repeat goes on or changes nothing.

    Raises BundleError like `verify_version`, `version_exists` if the number holds or awaits another
    bundle, and `members_invalid` for an ensemble whose members are not there.
    """
    path, manifest, contents = verified(root, name, version)
    digest = digest_of(contents)
    _check_members(remote, manifest)
    repeated = _is_there(remote, name, version, digest)
    if not repeated:
        mine = _claim(digest)
        resumed = not _reserve(remote, name, version, mine)
        if resumed and remote.objects.get(file_name(name, version, CLAIM), CLAIM_BYTES) != mine:
            raise BundleError(
                "version_exists",
                f"number {version} of {name} in {remote.objects.url} is reserved by the push of"
                " another bundle; --next takes the next free number",
            )
        _copy(remote, path, manifest, version, resumed)
    _copy_directions(remote, path, name, version)
    if not repeated:
        _show(remote, name, version, contents)
    return Pushed(name, version, digest, repeated)


def push_next(root: Path, name: str, version: int, remote: RemoteModels) -> Pushed:
    """Verify a version and copy it under the next free number, which manifest and card then say.

    Raises BundleError like `push`; and `ensemble`, because the members of one are numbers.
    """
    path, manifest, contents = verified(root, name, version)
    if manifest.members:
        raise BundleError("ensemble", f"{name}@{version} is an ensemble, which keeps its number")
    number = _first_free(remote, name)
    while True:
        new = renumber(path, manifest, contents, number)
        mine = _claim(digest_of(new.manifest), secrets.token_hex(16))
        # A lost answer to the reservation is told from a lost race by the token in it.
        if _reserve(remote, name, number, mine) or (
            remote.objects.get(file_name(name, number, CLAIM), CLAIM_BYTES) == mine
        ):
            break
        number += 1
    _copy(remote, path, manifest, number, resumed=False, changed=new.files)
    _copy_directions(remote, path, name, number)
    _show(remote, name, number, new.manifest)
    return Pushed(name, number, digest_of(new.manifest))


def verified(root: Path, name: str, version: int) -> tuple[Path, Manifest, bytes]:
    """The folder of a version, its manifest and the bytes of that; like `verify_version`."""
    path = version_path(root, name, version)
    manifest = verify_version(path)
    with open_folder(path) as folder:
        contents = folder.read(MANIFEST, DEFAULT_LIMITS.manifest_bytes)
    if parse_manifest(contents) != manifest:
        raise BundleError("manifest_mismatch", f"{path} was replaced while it was verified")
    return path, manifest, contents


def _check_members(remote: RemoteModels, manifest: Manifest) -> None:
    for member in manifest.members:
        try:
            remote.read_manifest(manifest.name, member.version)
        except BundleError as error:
            if error.reason != "not_found":
                raise
            raise BundleError("members_invalid", f"{error}, a member; push it first") from None


def _is_there(remote: RemoteModels, name: str, version: int, digest: str) -> bool:
    try:
        found = remote.read_manifest(name, version)
    except BundleError as error:
        if error.reason != "not_found":
            raise
        return False
    if found.digest != digest:
        raise BundleError(
            "version_exists",
            f"{name}@{version} in {remote.objects.url} is another bundle, manifest {found.digest};"
            f" this one has {digest}; --next takes the next free number",
        )
    return True


def _claim(digest: str, token: str = "") -> bytes:
    return (json.dumps({"manifest": digest} | ({"token": token} if token else {})) + "\n").encode()


def _reserve(remote: RemoteModels, name: str, version: int, claim: bytes) -> bool:
    try:
        remote.objects.create(file_name(name, version, CLAIM), claim)
    except BundleError as error:
        if error.reason != "object_exists":
            raise
        return False
    return True


def _first_free(remote: RemoteModels, name: str) -> int:
    """One more than the highest number that is reserved, or that the release names."""
    current = remote.read_release(name)
    named = current.release.versions() if current else set()
    folders = remote.objects.folders(model_name(name))
    return max({0, *named, *(int(folder) for folder in folders if folder.isdecimal())}) + 1


def _copy(
    remote: RemoteModels,
    path: Path,
    manifest: Manifest,
    version: int,
    resumed: bool,
    changed: Mapping[str, bytes] = NOTHING,
) -> None:
    """Write the files; of an interrupted push of the same manifest, those that are missing.

    changed: contents of files that differ from those in `path`.
    """
    for file, entry in manifest.files.items():
        target = file_name(manifest.name, version, file)
        if not resumed or remote.objects.size(target) != entry.size_bytes:
            remote.objects.upload(target, changed.get(file, path / file))


def _copy_directions(remote: RemoteModels, path: Path, name: str, version: int) -> None:
    """Write the names of directions, in place of those that are there."""
    local = directions_path(path)
    if local.is_file():
        remote.objects.upload(directions_name(name, version), local)


def _show(remote: RemoteModels, name: str, version: int, contents: bytes) -> None:
    """Write the manifest, from which on the version is there."""
    try:
        remote.objects.create(file_name(name, version, MANIFEST), contents)
    except BundleError as error:
        # Another push of the same bundle, or a lost answer to this one.
        if error.reason != "object_exists" or not _is_there(
            remote, name, version, digest_of(contents)
        ):
            raise
