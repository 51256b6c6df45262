"""Upgrades of `manifest.json` from older formats."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from mirage.bundle.errors import BundleError
from mirage.bundle.format.interface import ENCODER, Fields, Image, generator_tensors

LatentDim = Annotated[int, Field(ge=1, le=65536)]


def _add_directions(fields: dict[str, Any]) -> dict[str, Any]:
    """Format 2 added `directions`; models of format 1 have none."""
    if "directions" in fields:
        raise BundleError("manifest_invalid", "manifest.json: directions is no field of format 1")
    return {**fields, "format_version": 2, "directions": []}


def _add_members(fields: dict[str, Any]) -> dict[str, Any]:
    """Format 3 added `members`, for ensembles."""
    if "members" in fields:
        raise BundleError("manifest_invalid", "manifest.json: members is no field of format 2")
    return {**fields, "format_version": 3, "members": []}


class _Shapes(Fields):
    """The fields of formats 1 to 3 that describe a model's tensors."""

    latent_dim: LatentDim
    image: Image


def _add_tensors(fields: dict[str, Any]) -> dict[str, Any]:
    """Format 4 replaced `latent_dim` and `image` with `inputs` and `outputs`."""
    for name in ("inputs", "outputs"):
        if name in fields:
            raise BundleError("manifest_invalid", f"manifest.json: {name} is no field of format 3")
    others = {name: value for name, value in fields.items() if name not in _Shapes.model_fields}
    given = {name: fields[name] for name in _Shapes.model_fields if name in fields}
    shapes = _Shapes.model_validate_json(json.dumps(given))
    labels = fields.get("labels")
    tensors = generator_tensors(shapes.latent_dim, bool(labels), shapes.image)
    dumped = {name: [each.model_dump(mode="json") for each in tensors[name]] for name in tensors}
    return {**others, "format_version": 4, **dumped}


def _add_pictures(fields: dict[str, Any]) -> dict[str, Any]:
    """Format 5 added `pictures`, for models that take pictures."""
    if "pictures" in fields:
        raise BundleError("manifest_invalid", "manifest.json: pictures is no field of format 4")
    return {**fields, "format_version": 5, "pictures": None}


def _add_encoder(fields: dict[str, Any]) -> dict[str, Any]:
    """Format 6 added `encoder.onnx`, an optional file of generators."""
    files = fields.get("files")
    if isinstance(files, dict) and ENCODER in files:
        raise BundleError("manifest_invalid", f"manifest.json: {ENCODER} is no file of format 5")
    return {**fields, "format_version": 6}


def _add_meanings(fields: dict[str, Any]) -> dict[str, Any]:
    """Format 7 added `sound` and `sequence`, for models that make no images."""
    for name in ("sound", "sequence"):
        if name in fields:
            raise BundleError("manifest_invalid", f"manifest.json: {name} is no field of format 6")
    return {**fields, "format_version": 7, "sound": None, "sequence": None}


# One pure function per step: UPGRADES[n] turns the fields of format n into those of format n + 1.
Step = Callable[[dict[str, Any]], dict[str, Any]]
UPGRADES: dict[int, Step] = {
    1: _add_directions,
    2: _add_members,
    3: _add_tensors,
    4: _add_pictures,
    5: _add_encoder,
    6: _add_meanings,
}


def upgrade(fields: dict[str, Any], newest: int, steps: Mapping[int, Step]) -> dict[str, Any]:
    """Upgrade a manifest to format `newest`; an invalid `format_version` is left to the schema.

    Raises BundleError `format_newer`.
    """
    version = fields.get("format_version")
    if type(version) is not int or version < 1:
        return fields
    if version > newest:
        raise BundleError(
            "format_newer",
            f"manifest.json has format_version {version}: made by a newer Mirage"
            f" (this one reads 1 … {newest})",
        )
    for step in range(version, newest):
        fields = steps[step](fields)
    return fields
