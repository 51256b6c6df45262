"""Ensembles: versions whose images are made by several other versions of the same model."""

from collections.abc import Sequence
from pathlib import Path

from mirage.bundle.draft import new_version
from mirage.bundle.layout import version_path
from mirage.bundle.manifest import Description, Manifest, Member
from mirage.bundle.members import check_members, read_members
from mirage.bundle.verify import load_bundle


def publish_ensemble(root: Path, name: str, members: Sequence[Member]) -> Path:
    """Verify the members and publish them as the next version, not released; returns its folder.

    Raises BundleError: `members_invalid`, whatever `load_bundle` finds wrong with a member.
    """
    found = [load_bundle(version_path(root, name, member.version)).manifest for member in members]
    description = _describe(found)
    check_members(description, found)
    with new_version(root, name) as draft:
        read_members(draft.path, members)  # still there, and nobody can remove them now
        return draft.publish(description, members)


def _describe(members: Sequence[Manifest]) -> Description:
    """What stands for all: the first member's, without what is true of that one alone."""
    first = members[0].description
    return first.model_copy(
        update={
            "golden_tolerance": max(member.golden_tolerance for member in members),
            "training": first.training.model_copy(update={"preset": "ensemble"}),
            "scores": {},
            "directions": (),
        }
    )
