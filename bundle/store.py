"""The store: every operation on the models in one folder, under one name to import."""

from mirage.bundle.draft import Draft, new_version
from mirage.bundle.ensemble import publish_ensemble
from mirage.bundle.layout import list_models, list_versions, version_path
from mirage.bundle.manifest import Description, Member
from mirage.bundle.prune import prune
from mirage.bundle.release import Canary, Release, read_release, release, rollback

__all__ = [
    "Canary",
    "Description",
    "Draft",
    "Member",
    "Release",
    "list_models",
    "list_versions",
    "new_version",
    "prune",
    "publish_ensemble",
    "read_release",
    "release",
    "rollback",
    "version_path",
]
