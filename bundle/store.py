"""The store: every operation on the models in one folder, under one name to import."""

from bundle.draft import Draft, new_version
from bundle.ensemble import publish_ensemble
from bundle.layout import list_models, list_versions, version_path
from bundle.manifest import Description, Member
from bundle.prune import prune
from bundle.release import Canary, Release, read_release, release, rollback

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
