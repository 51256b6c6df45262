"""Publishing: a new version is written to a draft folder, verified, and renamed atomically."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.manifest import FORMAT_VERSION, Description, FileEntry, Manifest, Member
from mirage.bundle.format.strict_json import describe_faults
from mirage.bundle.format.verify import check_files, load_bundle, verify_files
from mirage.bundle.store.durable import sync_file, sync_folder
from mirage.bundle.store.layout import list_versions, model_path, version_path
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.members import check_members, read_members
from mirage.bundle.store.release import readable_release

PREFIX = ".draft-"


@dataclass(frozen=True)
class Draft:
    """A version that is being written to `path`; it is not visible before `publish`."""

    root: Path
    name: str
    version: int
    path: Path

    def publish(self, description: Description, members: Sequence[Member] = ()) -> Path:
        """Write the manifest, verify the files in `path` and publish them; returns the new folder.

        members: of an ensemble, verified by the caller. Raises BundleError like `load_bundle`, and
        `version_exists`.
        """
        manifest = self._manifest(description, members)
        with open_folder(self.path) as folder:
            if members:
                check_files(folder, manifest)
            else:
                verify_files(folder, manifest)
        contents = manifest.model_dump_json(indent=2) + "\n"
        (self.path / "manifest.json").write_text(contents, encoding="utf-8")
        sync_file(self.path / "manifest.json")
        sync_folder(self.path)
        target = version_path(self.root, self.name, self.version)
        appear(self.path, target)
        return target

    def _manifest(self, description: Description, members: Sequence[Member]) -> Manifest:
        with open_folder(self.path) as folder:
            files = {name: _durable_entry(self.path / name) for name in folder.names()}
        try:
            return Manifest(
                format_version=FORMAT_VERSION,
                name=self.name,
                version=self.version,
                created=datetime.now(UTC).replace(microsecond=0),
                files=files,
                members=tuple(members),
                **dict(description),
            )
        except ValidationError as error:
            raise BundleError("manifest_invalid", describe_faults(error)) from None


def appear(path: Path, target: Path) -> None:
    """Rename a complete folder on the same disk to `models/<name>/<version>`, which must be free.

    The caller holds the model's lock. Raises BundleError `version_exists`.
    """
    # rename() replaces an empty folder without an error, hence the check.
    if os.path.lexists(target):
        raise BundleError("version_exists", f"{target} exists; nothing was published")
    os.rename(path, target)
    sync_folder(target.parent)
    sync_folder(target.parent.parent)  # the model may be new


@contextmanager
def new_version(root: Path, name: str) -> Iterator[Draft]:
    """Create a draft of the next version of a model; it is removed unless `publish` is called.

    Holds the model's lock and waits for it if necessary. Raises BundleError `name_invalid`.
    """
    model = model_path(root, name)
    model.mkdir(parents=True, exist_ok=True)
    with lock_model(model, wait=True):
        version = _next_version(root, name)
        with empty_draft(model, version) as path:
            yield Draft(root, name, version, path)


@contextmanager
def empty_draft(model: Path, version: int) -> Iterator[Path]:
    """An empty folder in the model's, removed at the end; the caller holds the model's lock."""
    _remove_drafts(model)
    path = model / f"{PREFIX}{version}"
    path.mkdir()
    try:
        yield path
    finally:
        _remove_drafts(model)


def _next_version(root: Path, name: str) -> int:
    """One more than the highest version that exists or that the release names."""
    current = readable_release(root, name)
    named = current.versions() if current else set()
    return max({0, *list_versions(root, name), *named}) + 1


def _remove_drafts(model: Path) -> None:
    """Remove all drafts; the caller holds the lock, so the others are of killed processes."""
    for draft in model.glob(f"{PREFIX}*"):
        shutil.rmtree(draft)


def _durable_entry(path: Path) -> FileEntry:
    sync_file(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(sha256=digest.hexdigest(), size_bytes=os.fstat(file.fileno()).st_size)


def publish_ensemble(root: Path, name: str, members: Sequence[Member]) -> Path:
    """Verify the members and publish an ensemble as the next version; returns its folder.

    Raises BundleError `members_invalid`, or like `load_bundle` for a member.
    """
    found = [load_bundle(version_path(root, name, member.version)).manifest for member in members]
    description = _describe(found)
    check_members(description, found)
    with new_version(root, name) as draft:
        read_members(draft.path, members)  # under the lock: prune cannot remove members any more
        return draft.publish(description, members)


def _describe(members: Sequence[Manifest]) -> Description:
    """The ensemble's description: the first member's, without its scores and directions."""
    first = members[0].description
    return first.model_copy(
        update={
            "golden_tolerance": max(member.golden_tolerance for member in members),
            "training": first.training.model_copy(update={"preset": "ensemble"}),
            "scores": {},
            "directions": (),
        }
    )
