"""The members of an ensemble, verified with it."""

from collections.abc import Iterable
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.manifest import Description, Manifest, Member
from mirage.bundle.format.verify import check_files, load_bundle, read_manifest


def verify_version(path: Path) -> Manifest:
    """Check a version as `load_bundle` does, an ensemble with all of its members.

    Raises BundleError with what is wrong, `members_invalid` for members that do not go together.
    """
    manifest = read_manifest(path)
    if not manifest.members:
        return load_bundle(path).manifest
    verify_ensemble(path, manifest)
    for member in manifest.members:
        load_bundle(path.with_name(str(member.version)))
    return manifest


def verify_ensemble(path: Path, manifest: Manifest) -> None:
    """Check an ensemble, but of its members the manifests alone; raises as `verify_version`."""
    with open_folder(path) as folder:
        check_files(folder, manifest)
    check_members(manifest, read_members(path, manifest.members))


def read_members(path: Path, members: Iterable[Member]) -> list[Manifest]:
    """The manifests of the members of the version in `path`; raises BundleError."""
    return [read_manifest(path.with_name(str(member.version))) for member in members]


def check_members(whole: Description, members: Iterable[Manifest]) -> None:
    """Raise BundleError `members_invalid` unless all can stand for the whole."""
    if whole.pictures is not None:
        raise BundleError(
            "members_invalid",
            f"task is {whole.task}; only models for generate make ensembles, which choose their"
            " members by seeds",
        )
    for member in members:
        name = f"{member.name}@{member.version}"
        if member.members:
            raise BundleError("members_invalid", f"member {name} is an ensemble itself")
        if difference := member.tell_difference(whole):
            raise BundleError("members_invalid", f"of member {name}, {difference}")
