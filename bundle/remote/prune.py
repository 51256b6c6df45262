"""Removal of old versions from object storage.

Claims stay, a few bytes each, so that no number is used twice.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.models import (
    CLAIM,
    MANIFEST,
    STORE_WIDE,
    RemoteModels,
    directions_name,
    file_name,
)
from mirage.bundle.remote.objects import Entry
from mirage.bundle.store.prune import old_versions

UNFINISHED = timedelta(days=1)  # a push that takes longer has been given up


def prune_at(remote: RemoteModels, name: str, keep: int, *, dry_run: bool = False) -> list[int]:
    """Remove all versions except the `keep` newest and those in use; return the removed versions.

    Like `prune` of a folder of models. Also removes the files of pushes that did not end within a
    day. Raises BundleError `release_unreadable`, and like the methods of `RemoteModels`.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least 1 is allowed")
    entries, versions = remote.entries(name), remote.list_versions(name)
    found = remote.read_release(name)
    current = found.release if found else None
    old = old_versions(versions, current, keep, lambda version: _members(remote, name, version))
    if dry_run:
        return old
    removed = [version for version in old if _hide(remote, name, version)]
    for version in [*removed, *_unfinished(entries, versions)]:
        names = [entry.name for entry in entries[version]]
        kept = file_name(name, version, CLAIM)
        remote.objects.delete([entry for entry in names if entry != kept])
        remote.objects.delete([directions_name(name, version)])
    return removed


def _members(remote: RemoteModels, name: str, version: int) -> set[int]:
    try:
        manifest = remote.read_manifest(name, version).manifest
    except BundleError as error:
        if error.reason in STORE_WIDE:
            raise
        return set()
    return {member.version for member in manifest.members}


def _hide(remote: RemoteModels, name: str, version: int) -> bool:
    """Remove the manifest, and put it back if the version has been released meanwhile."""
    where = file_name(name, version, MANIFEST)
    try:
        contents = remote.read_manifest(name, version).contents
    except BundleError as error:
        if error.reason in STORE_WIDE:
            raise
        contents = b""  # an invalid manifest, which cannot be released
    remote.objects.delete([where])
    found = remote.read_release(name)
    if not contents or not found or version not in found.release.versions():
        return True
    remote.objects.create(where, contents)
    return False


def _unfinished(entries: dict[int, list[Entry]], versions: Sequence[int]) -> list[int]:
    """Numbers with files but no manifest, where nothing was written lately."""
    before = datetime.now(UTC) - UNFINISHED
    return [
        version
        for version, found in entries.items()
        if version not in versions
        and any(not entry.name.endswith(f"/{CLAIM}") for entry in found)
        and all(entry.modified < before for entry in found)
    ]
