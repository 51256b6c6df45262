"""Copying released versions out of object storage, verified before they are visible."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.limits import DEFAULT_LIMITS, MIB
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.remote.models import (
    MANIFEST,
    RemoteManifest,
    RemoteModels,
    RemoteVersions,
    directions_name,
    file_name,
)
from mirage.bundle.store.directions import DIRECTIONS_BYTES, directions_path, parse_directions
from mirage.bundle.store.durable import replace_file, sync_file, sync_folder
from mirage.bundle.store.layout import model_path, version_path
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.members import verify_ensemble
from mirage.bundle.store.publish import appear, empty_draft
from mirage.bundle.store.release import Release, adopt_release

VERSION_BYTES = 2048 * MIB  # of all files of a version; the largest of each kind have 1,600

Verify = Callable[[Path], object]
"""Verifies the bundle in a folder `…/NAME/VERSION`; raises BundleError."""


@dataclass(frozen=True)
class Pulled:
    """What is released now; digest: of the manifest of the released version, `sha256:…`.

    changed: whether the release here was another one.
    """

    name: str
    release: Release
    digest: str
    changed: bool


def pull(remote: RemoteModels, root: Path, name: str, digest: str | None = None) -> Pulled | None:
    """Copy the released version of a model and its canary into `root`, then their release.

    None if nothing is released. digest: refuse another manifest of the released version. Raises
    BundleError like `pull_version`, `load_bundle` and `adopt_release`, and `file_hash` for another
    digest.
    """
    found = remote.read_release(name)
    return pull_release(remote, root, name, found.release, digest=digest) if found else None


def pull_release(
    remote: RemoteModels,
    root: Path,
    name: str,
    new: Release,
    verify: Verify = load_bundle,
    digest: str | None = None,
) -> Pulled:
    """Copy what a release names, then the release; raises like `pull`."""
    released = remote.read_manifest(name, new.version)
    check_digest(released, digest)
    pull_version(remote, root, released, verify)
    if new.canary is not None:
        pull_version(remote, root, remote.read_manifest(name, new.canary.version), verify)
    changed = adopt_release(root, name, new)
    return Pulled(name, new, released.digest, changed)


def check_digest(found: RemoteManifest, digest: str | None) -> None:
    """Raise BundleError `file_hash` if a manifest has another digest than the one given."""
    if digest is not None and found.digest != digest:
        version = f"{found.manifest.name}@{found.manifest.version}"
        raise BundleError(
            "file_hash", f"the manifest of {version} has {found.digest}; {digest} is asked for"
        )


def pull_version(
    remote: RemoteVersions, root: Path, found: RemoteManifest, verify: Verify = load_bundle
) -> None:
    """Copy one version, and the members of an ensemble before it, unless they are there.

    It is written to a hidden folder, verified, and renamed. Raises BundleError `version_exists` if
    this folder has another bundle of this number.
    """
    manifest = found.manifest
    for member in manifest.members:
        pull_version(remote, root, remote.read_manifest(manifest.name, member.version), verify)
    model = model_path(root, manifest.name)
    model.mkdir(parents=True, exist_ok=True)
    with lock_model(model, wait=True):
        target = version_path(root, manifest.name, manifest.version)
        if not _is_here(target, found):
            with empty_draft(model, manifest.version) as draft:
                path = version_path(draft, manifest.name, manifest.version)
                _download(remote, found, path)
                if manifest.members:
                    verify_ensemble(path, manifest, target)
                else:
                    verify(path)
                appear(path, target)
        pull_directions(remote, root, manifest.name, [manifest.version])


def pull_directions(remote: RemoteVersions, root: Path, name: str, versions: Iterable[int]) -> None:
    """Copy the names of directions of versions, if they have any; the caller holds the lock.

    Raises BundleError `directions_unreadable`.
    """
    for version in versions:
        try:
            contents = remote.objects.get(directions_name(name, version), DIRECTIONS_BYTES)
        except BundleError as error:
            if error.reason != "object_missing":
                raise
            continue
        path = directions_path(version_path(root, name, version))
        parse_directions(name, path.name, contents)
        if not path.is_file() or path.read_bytes() != contents:
            replace_file(path, contents)


def _is_here(target: Path, found: RemoteManifest) -> bool:
    try:
        with open_folder(target) as folder:
            here = folder.read(MANIFEST, DEFAULT_LIMITS.manifest_bytes)
    except BundleError as error:
        if error.reason != "not_found":
            raise
        return False
    if here != found.contents:
        raise BundleError(
            "version_exists",
            f"{target} is another bundle than that of manifest {found.digest}; pull into another"
            " folder",
        )
    return True


def _download(remote: RemoteVersions, found: RemoteManifest, path: Path) -> None:
    manifest = found.manifest
    _check_sizes(manifest)
    path.mkdir(parents=True)
    for file, entry in manifest.files.items():
        with (path / file).open("wb") as copy:
            where = file_name(manifest.name, manifest.version, file)
            remote.objects.download(where, copy, entry.size_bytes)
        sync_file(path / file)
    (path / MANIFEST).write_bytes(found.contents)
    sync_file(path / MANIFEST)
    sync_folder(path)


def _check_sizes(manifest: Manifest) -> None:
    """Raise BundleError `file_too_large` before anything is copied."""
    version = f"{manifest.name}@{manifest.version}"
    for file, entry in manifest.files.items():
        if entry.size_bytes > (limit := DEFAULT_LIMITS.file_bytes(file)):
            raise BundleError(
                "file_too_large",
                f"{file} of {version} has {entry.size_bytes} bytes; at most {limit} are read",
            )
    if (total := sum(entry.size_bytes for entry in manifest.files.values())) > VERSION_BYTES:
        raise BundleError(
            "file_too_large", f"{version} has {total} bytes; at most {VERSION_BYTES} are copied"
        )
