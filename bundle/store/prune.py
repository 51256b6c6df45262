"""Removal of old versions."""

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.directions import directions_path
from mirage.bundle.store.durable import sync_folder
from mirage.bundle.store.layout import list_versions, model_path, version_path
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.release import Release, read_release

PREFIX = ".pruned-"


def prune(root: Path, name: str, keep: int, *, dry_run: bool = False) -> list[int]:
    """Remove all versions except the `keep` newest and those in use; return the removed versions.

    The released, previous and canary version are kept, and all members of kept ensembles. `keep` is
    at least 1: keeping the newest version ensures that no version number is reused. dry_run: return
    the versions without removing them. Raises ValueError for a smaller `keep`, and BundleError
    `not_found`, `locked`, or `release_unreadable` if the versions in use are unknown.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least 1 is allowed")
    model = model_path(root, name)
    with lock_model(model, wait=False):
        versions, current = list_versions(root, name), read_release(root, name)
        old = old_versions(versions, current, keep, partial(_members, root, name))
        if not dry_run:
            _remove(model, [version_path(root, name, version) for version in old])
    return old


def old_versions(
    versions: Sequence[int],
    current: Release | None,
    keep: int,
    members: Callable[[int], set[int]],
) -> list[int]:
    """The ascending `versions` that neither the `keep` newest nor the current release needs."""
    named = current.versions() if current else set()
    stay = named.intersection(versions) | set(versions[-keep:])
    needed = stay.union(*map(members, stay))
    return [version for version in versions if version not in needed]


def _members(root: Path, name: str, version: int) -> set[int]:
    """The members of a version; empty if it is not an ensemble or cannot be read."""
    try:
        manifest = read_manifest(version_path(root, name, version))
    except BundleError:
        return set()
    return {member.version for member in manifest.members}


def _remove(model: Path, versions: list[Path]) -> None:
    """Hide each version by renaming it, then delete all hidden ones, also of interrupted calls."""
    _delete_hidden(model)  # a version may have been pulled again since
    for path in versions:
        os.rename(path, path.with_name(f"{PREFIX}{path.name}"))
        directions_path(path).unlink(missing_ok=True)
    sync_folder(model)
    _delete_hidden(model)


def _delete_hidden(model: Path) -> None:
    for path in model.glob(f"{PREFIX}*"):
        shutil.rmtree(path)
