"""Named directions: `models/<name>/directions-<version>.json`, which only their owner writes.

A bundle never changes after it has been published, so names that people give later are kept beside
it.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import open_folder
from mirage.bundle.format.interface import Fields
from mirage.bundle.format.limits import MIB
from mirage.bundle.format.manifest import MAX_DIRECTIONS, Manifest, UnitVector
from mirage.bundle.format.strict_json import describe_faults, parse_object
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.durable import replace_file
from mirage.bundle.store.layout import version_path
from mirage.bundle.store.lock import lock_model

# Never a number, which would be an index, and without the separators of queries: `:` and `,`.
DIRECTION_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
DIRECTIONS_BYTES = 16 * MIB  # MAX_DIRECTIONS vectors of 16,384 numbers
VECTOR_BYTES = MIB


class NamedDirection(Fields):
    """A unit vector float32 `[latent_dim]`, or the index of a direction of the manifest."""

    vector: UnitVector | None = None
    index: Annotated[int | None, Field(ge=0, lt=MAX_DIRECTIONS)] = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.vector is None) == (self.index is None):
            raise ValueError("must have either a vector or an index")
        return self

    def fits(self, manifest: Manifest) -> bool:
        """Whether a version has this index, or latents of this length."""
        if self.vector is None:
            return self.index is not None and self.index < len(manifest.directions)
        return len(self.vector) == manifest.latent_dim


NamedDirections = Mapping[str, NamedDirection]
NO_DIRECTIONS: NamedDirections = MappingProxyType({})
_Name = Annotated[str, Field(pattern=DIRECTION_PATTERN)]
_SCHEMA = TypeAdapter(Annotated[dict[_Name, NamedDirection], Field(max_length=MAX_DIRECTIONS)])


def directions_path(version: Path) -> Path:
    """The file of a version's named directions, which need not exist."""
    return version.with_name(f"directions-{version.name}.json")


def read_directions(root: Path, name: str, version: int) -> NamedDirections:
    """Read the named directions of a version, in the order of their names.

    Raises BundleError `directions_unreadable` for an invalid file, and `not_found` if there is no
    such model.
    """
    path = directions_path(version_path(root, name, version))
    with open_folder(path.parent.resolve()) as folder:
        try:
            contents = folder.read(path.name, DIRECTIONS_BYTES)
        except BundleError as error:
            if error.reason == "file_missing":
                return {}
            raise BundleError("directions_unreadable", f"{name}: {error}") from None
    return parse_directions(name, path.name, contents)


def parse_directions(name: str, file: str, contents: bytes) -> NamedDirections:
    """Parse the file of named directions of a model; raises BundleError `directions_unreadable`."""
    try:
        named = _SCHEMA.validate_json(json.dumps(parse_object(contents)))
    except ValidationError as error:
        problem = describe_faults(error)
    except ValueError as error:
        problem = str(error)
    else:
        return {called: named[called] for called in sorted(named)}
    raise BundleError("directions_unreadable", f"{name}: {file}: {problem}")


def add_direction(root: Path, name: str, version: int, called: str, source: Path | int) -> None:
    """Name a direction of a version: that of a `.npy` file, scaled to length 1, or of an index.

    Raises BundleError `direction_invalid`, `direction_exists`, `directions_unreadable`, `ensemble`,
    `locked`, and those of `read_manifest`.
    """
    if not re.fullmatch(DIRECTION_PATTERN, called):
        raise BundleError(
            "direction_invalid",
            f"direction name {called!r:.100} does not match {DIRECTION_PATTERN}",
        )
    manifest = read_manifest(version_path(root, name, version))
    if manifest.members:
        raise BundleError("ensemble", f"{name}@{version} is an ensemble; name those of its members")
    if isinstance(source, int):
        direction = _numbered(source, manifest)
    else:
        direction = NamedDirection(vector=read_vector(source, manifest))
    with lock_model(version_path(root, name, version).parent, wait=False):
        named = read_directions(root, name, version)
        _check_free(called, direction, named)
        _write(root, name, version, {**named, called: direction})


def remove_direction(root: Path, name: str, version: int, called: str) -> None:
    """Remove a name; raises BundleError `direction_unknown`, `directions_unreadable`, `locked`."""
    with lock_model(version_path(root, name, version).parent, wait=False):
        named = dict(read_directions(root, name, version))
        if named.pop(called, None) is None:
            raise BundleError(
                "direction_unknown",
                f"{name}@{version} has no direction {called!r:.100}; it has"
                f" {', '.join(named) or 'no named directions'}",
            )
        _write(root, name, version, named)


def read_vector(path: Path, manifest: Manifest) -> tuple[float, ...]:
    """Read a `.npy` file of latent_dim numbers, and scale them to length 1.

    Raises BundleError `direction_invalid`, and OSError.
    """
    if path.stat().st_size > VECTOR_BYTES:
        raise BundleError("direction_invalid", f"{path} has over {VECTOR_BYTES} bytes")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        raise BundleError("direction_invalid", f"{path} is no .npy file of numbers") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise BundleError("direction_invalid", f"{path} does not hold one array of real numbers")
    if array.size != manifest.latent_dim or max(array.shape, default=0) != array.size:
        raise BundleError(
            "direction_invalid",
            f"{path} has shape {list(array.shape)}; {manifest.name}@{manifest.version} needs"
            f" [{manifest.latent_dim}]",
        )
    return _scaled(array.astype(np.float64).ravel(), path)


def _scaled(vector: NDArray[np.float64], path: Path) -> tuple[float, ...]:
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise BundleError(
            "direction_invalid", f"{path} has length {length:g}, which is no direction"
        )
    # Nine digits are enough for float32.
    return tuple(float(f"{value:.9g}") for value in (vector / length).tolist())


def _numbered(index: int, manifest: Manifest) -> NamedDirection:
    count = len(manifest.directions)
    if not 0 <= index < count:
        allowed = f"0 … {count - 1} are allowed" if count else "it has no directions"
        raise BundleError(
            "direction_invalid",
            f"index is {index}; for {manifest.name}@{manifest.version}, {allowed}",
        )
    return NamedDirection(index=index)


def _check_free(called: str, direction: NamedDirection, named: NamedDirections) -> None:
    if called in named:
        raise BundleError("direction_exists", f"direction {called!r} exists; remove it first")
    for other, known in named.items():
        if direction.index is not None and known.index == direction.index:
            raise BundleError(
                "direction_exists", f"direction {direction.index} is called {other!r} already"
            )
    if len(named) == MAX_DIRECTIONS:
        raise BundleError("direction_invalid", f"at most {MAX_DIRECTIONS} names are allowed")


def _write(root: Path, name: str, version: int, named: NamedDirections) -> None:
    path = directions_path(version_path(root, name, version))
    fields = {called: named[called].model_dump(exclude_none=True) for called in sorted(named)}
    text = json.dumps(fields) + "\n"
    if len(text) > DIRECTIONS_BYTES:
        raise BundleError("direction_invalid", f"{path.name} would exceed {DIRECTIONS_BYTES} bytes")
    replace_file(path, text.encode())
