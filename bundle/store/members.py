"""Verification of ensembles and their members."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.manifest import Description, Manifest, Member
from mirage.bundle.format.verify import check_files, load_bundle, read_manifest


def verify_version(path: Path) -> Manifest:
    """Verify a version like `load_bundle`; of an ensemble, also all members.

    Raises BundleError; `members_invalid` if the members do not match the ensemble.
    """
    manifest = read_manifest(path)
    if not manifest.members:
        return load_bundle(path).manifest
    verify_ensemble(path, manifest)
    for member in manifest.members:
        load_bundle(path.with_name(str(member.version)))
    return manifest


def verify_ensemble(path: Path, manifest: Manifest, beside: Path | None = None) -> None:
    """Verify an ensemble and the manifests of its members; raises like `verify_version`.

    beside: the folder of a version beside the members; `path` by default.
    """
    with open_folder(path) as folder:
        check_files(folder, manifest)
    check_members(manifest, read_members(beside or path, manifest.members))


def read_members(path: Path, members: Iterable[Member]) -> list[Manifest]:
    """Read the manifests of the members of the version in `path`; raises BundleError."""
    return [read_manifest(path.with_name(str(member.version))) for member in members]


def check_members(whole: Description, members: Iterable[Manifest]) -> None:
    """Raise BundleError `members_invalid` unless all members match the ensemble's description."""
    if whole.pictures is not None:
        raise BundleError(
            "members_invalid",
            f"task is {whole.task}; an ensemble chooses its members by seeds, so only generate is"
            " allowed",
        )
    for member in members:
        name = f"{member.name}@{member.version}"
        if member.members:
            raise BundleError("members_invalid", f"member {name} is an ensemble itself")
        if difference := member.tell_difference(whole):
            raise BundleError("members_invalid", f"of member {name}, {difference}")


def graph_hash(members: Sequence[Manifest]) -> str:
    """The sha256 of a model's graph; of several members, that of their hashes in order."""
    hashes = [member.files["model.onnx"].sha256 for member in members]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
