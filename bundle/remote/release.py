"""Releasing versions in object storage, by compare-and-swap of `release.json`."""

import random
import time

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.store.members import check_members
from mirage.bundle.store.release import (
    Canary,
    Release,
    check_canary,
    next_release,
    swapped_release,
)

ATTEMPTS = 50  # eight writers at once needed at most 14
PAUSE_S = 0.05


def release_at(
    remote: RemoteModels, name: str, version: int, canary: Canary | None = None
) -> Release:
    """Release a version that is there; the version released before becomes `previous`.

    Manifests, and names and sizes of files are checked; hashes are checked by those who pull. Of
    several processes that release at once, one comes after the other. Ends the current canary
    unless `canary` is given. Raises BundleError like `RemoteModels.read_manifest` and
    `RemoteModels.check_files`, `canary_mismatch`, `members_invalid`, and `object_changed` if others
    release all the time.
    """
    released = _checked(remote, name, version)
    if canary is not None:
        check_canary(released, _checked(remote, name, canary.version))
    _enter_index(remote, name)
    for _ in range(ATTEMPTS):
        current = remote.read_release(name)
        new = next_release(current.release if current else None, version, canary)
        try:
            remote.swap_release(name, new, current)
        except BundleError as error:
            if error.reason != "object_changed":
                raise
            time.sleep(random.uniform(0, PAUSE_S))
        else:
            # Removing versions looks at the release after it has hidden them, and this looks at the
            # versions after it has released one: one of both sees the other.
            for needed in new.versions() - {new.previous}:
                remote.read_manifest(name, needed)
            return new
    raise BundleError("object_changed", f"others release {name} all the time; nothing was released")


def rollback_at(remote: RemoteModels, name: str) -> Release:
    """Swap the released and the previous version; ends a canary.

    Is not tried again after another writer, which may have rolled back already. Raises BundleError
    `not_released`, `no_previous`, `object_changed`, and like `release_at` for the version.
    """
    current = remote.read_release(name)
    new = swapped_release(name, current.release if current else None)
    _checked(remote, name, new.version)
    try:
        remote.swap_release(name, new, current)
    except BundleError as error:
        now = remote.read_release(name) if error.reason == "object_changed" else None
        if now is None or now.release != new:  # else a lost answer, or the same rollback
            raise
    remote.read_manifest(name, new.version)
    return new


def _checked(remote: RemoteModels, name: str, version: int) -> Manifest:
    """The manifest of a version whose files, and whose members, are there."""
    manifest = remote.read_manifest(name, version).manifest
    remote.check_files(manifest)
    members = [remote.read_manifest(name, member.version).manifest for member in manifest.members]
    if members:
        check_members(manifest, members)
    for member in members:
        remote.check_files(member)
    return manifest


def _enter_index(remote: RemoteModels, name: str) -> None:
    for _ in range(ATTEMPTS):
        index = remote.read_index()
        if name in index.names:
            return
        try:
            remote.swap_index({*index.names, name}, index)
        except BundleError as error:
            if error.reason != "object_changed":
                raise
            time.sleep(random.uniform(0, PAUSE_S))
    raise BundleError(
        "object_changed", "others change the index all the time; nothing was released"
    )
