"""Copying a version into a repository of the Hub: one commit, so nobody sees half of it.

The commit names its parent, so it fails if another writer was faster.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mirage.bundle.errors import BundleError
from mirage.bundle.format.card import CARD
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.remote.hub.faults import hub_faults
from mirage.bundle.remote.hub.repository import Repository, open_repository
from mirage.bundle.remote.models import MANIFEST, digest_of
from mirage.bundle.remote.push import Pushed, verified
from mirage.bundle.remote.renumber import renumber
from mirage.bundle.store.directions import DIRECTIONS_BYTES, directions_path

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

PICTURE = ".png"


def push_to_hub(root: Path, name: str, version: int, url: str, *, free: bool = False) -> Pushed:
    """Verify a version and commit it; a repeat changes nothing but names of directions.

    free: under the next free number instead of its own. Raises BundleError like `verified` and
    `open_repository`; `version_exists` if the number holds another bundle, `manifest_mismatch` if
    the repository holds another model, `members_invalid` for an ensemble whose members are not
    there, `ensemble` for one under a free number, and `object_changed`.
    """
    path, manifest, contents = verified(root, name, version)
    repository = open_repository(url)
    there = repository.versions()
    _check_name(repository, name)
    number, changed = version, {}
    if free:
        if manifest.members:
            raise BundleError(
                "ensemble", f"{name}@{version} is an ensemble, which keeps its number"
            )
        number = max(there, default=0) + 1
        new = renumber(path, manifest, contents, number)
        contents, changed = new.manifest, new.files
    digest = digest_of(contents)
    files: dict[str, Path | bytes] = {}
    if repeated := number in there:
        _check_same(repository, number, digest)
    else:
        _check_members(repository, manifest)
        newest = number > max(there, default=0)
        found = {file: changed.get(file, path / file) for file in manifest.files}
        files = dict(_files(found, number, contents, newest=newest))
    files |= _changed_directions(repository, path, number)
    if files:
        _commit(repository, f"Add {name}@{number}", files)
    return Pushed(name, number, digest, repeated)


def _check_name(repository: Repository, name: str) -> None:
    for version in repository.versions()[-1:]:
        if (there := repository.manifest(version).manifest.name) != name:
            raise BundleError(
                "manifest_mismatch", f"{repository.url} holds the model {there}, not {name}"
            )


def _check_same(repository: Repository, version: int, digest: str) -> None:
    if (found := repository.manifest(version)).digest != digest:
        raise BundleError(
            "version_exists",
            f"version {version} in {repository.url} is another bundle, manifest {found.digest};"
            f" this one has {digest}; --next takes the next free number",
        )


def _check_members(repository: Repository, manifest: Manifest) -> None:
    if missing := {member.version for member in manifest.members} - set(repository.versions()):
        raise BundleError(
            "members_invalid", f"{repository.url} has no version {min(missing)}, a member; push it"
        )


def _files(
    found: Mapping[str, Path | bytes], version: int, contents: bytes, *, newest: bool
) -> Iterator[tuple[str, Path | bytes]]:
    """What to add by path; of the newest version also the card in the root, and its pictures."""
    for file, data in found.items():
        yield f"{version}/{file}", data
        if newest and (file == CARD or file.endswith(PICTURE)):
            yield file, data
    yield f"{version}/{MANIFEST}", contents


def _changed_directions(
    repository: Repository, path: Path, version: int
) -> dict[str, Path | bytes]:
    local = directions_path(path)
    if not local.is_file():
        return {}
    contents = local.read_bytes()
    name = local.with_name(f"directions-{version}.json").name
    if name in repository.sizes and contents == repository.get(f"/{name}", DIRECTIONS_BYTES):
        return {}
    return {name: contents}


def _commit(repository: Repository, message: str, files: dict[str, Path | bytes]) -> None:
    with hub_faults(repository.url):
        repository.api.create_commit(
            repository.id,
            [_addition(name, contents) for name, contents in files.items()],
            commit_message=message,
            parent_commit=repository.commit,
        )


def _addition(name: str, contents: Path | bytes) -> "CommitOperationAdd":
    from huggingface_hub import CommitOperationAdd

    return CommitOperationAdd(path_in_repo=name, path_or_fileobj=contents)
