"""Paths of models and versions: `models/<name>/<version>/`."""

import os
import re
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import NAME_PATTERN

_NAME = re.compile(NAME_PATTERN)
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def list_models(root: Path) -> list[str]:
    """The sorted names of the models with at least one version.

    Raises BundleError `not_found` if `root` cannot be read.
    """
    return [name for name in _subfolders(root) if is_model_name(name) and _versions(root / name)]


def is_model_name(name: str) -> bool:
    """Whether a model may have this name."""
    return _NAME.fullmatch(name) is not None


def is_version_name(name: str) -> bool:
    """Whether the folder of a version may have this name."""
    return _VERSION.fullmatch(name) is not None


def list_versions(root: Path, name: str) -> list[int]:
    """The versions of a model in ascending order; raises BundleError `not_found`."""
    return _versions(model_path(root, name))


def model_path(root: Path, name: str) -> Path:
    """The folder of a model, which need not exist; raises BundleError `name_invalid`."""
    if not is_model_name(name):
        raise BundleError("name_invalid", f"model name {name!r:.100} does not match {NAME_PATTERN}")
    return root / name


def version_path(root: Path, name: str, version: int) -> Path:
    """The folder of a version, which need not exist; raises BundleError `name_invalid`."""
    check_version(version)
    return model_path(root, name) / str(version)


def check_version(version: int) -> None:
    """Raise BundleError `name_invalid` unless a version may have this number."""
    if not is_version_name(str(version)):
        raise BundleError("name_invalid", f"version {version} is not in 1 … 999999999")


def parse_path(text: str) -> tuple[Path, str, int | None] | None:
    """The folder of models, the name and the version of `DIR/NAME/VERSION` or `DIR/NAME`.

    None for a name.
    """
    if len(Path(text).parts) < 2:
        return None
    path = Path(text).absolute()
    if is_version_name(path.name):
        return path.parent.parent, path.parent.name, int(path.name)
    return path.parent, path.name, None


def _versions(model: Path) -> list[int]:
    return sorted(int(name) for name in _subfolders(model) if is_version_name(name))


def _subfolders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as error:
        raise BundleError("not_found", f"{path} cannot be read: {error.strerror}") from None
