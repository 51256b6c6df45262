"""Copying a version out of a repository of the Hub, verified before it is visible."""

from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.hub.repository import open_repository
from mirage.bundle.remote.models import RemoteManifest, RemoteVersions
from mirage.bundle.remote.pull import check_digest, pull_version


def pull_from_hub(
    url: str,
    root: Path,
    name: str | None = None,
    version: int | None = None,
    digest: str | None = None,
) -> RemoteManifest:
    """Copy a version, by default the highest, with the members of an ensemble; releases nothing.

    name: refuse another model. digest: refuse another manifest. Raises BundleError like
    `open_repository` and `pull_version`; `not_found`, `manifest_mismatch`, and `file_hash` for
    another digest.
    """
    repository = open_repository(url)
    versions = repository.versions()
    if not versions:
        raise BundleError("not_found", f"{url} has no version of a model")
    found = repository.manifest(versions[-1] if version is None else version)
    if name is not None and found.manifest.name != name:
        raise BundleError(
            "manifest_mismatch", f"{url} holds the model {found.manifest.name}, not {name}"
        )
    check_digest(found, digest)
    pull_version(RemoteVersions(repository), root, found)
    return found
