"""Manifests in older formats."""

import json
from typing import Any

import pytest

from mirage.bundle.format.manifest import FORMAT_VERSION, parse_manifest
from mirage.bundle.format.upgrades import UPGRADES, upgrade
from tests.bundle.format.test_manifest import HASH, SOUND, refusal

# A manifest in format 1.
FORMAT_1 = b"""{
  "task": "generate",
  "opset": 20,
  "latent_dim": 64,
  "labels": ["0", "1"],
  "image": {"height": 28, "width": 28, "channels": 1},
  "truncation": "scale",
  "golden_tolerance": 1.0,
  "training": {
    "preset": "mnist",
    "data_fingerprint": "ab12",
    "kimg": 3000.064,
    "seed": 0,
    "code_version": "0.1.0",
    "torch_version": "2.13.0+cpu"
  },
  "scores": {"agreement": {"value": 0.995, "floor": 0.997, "n": 10000}},
  "format_version": 1,
  "name": "mnist",
  "version": 1,
  "created": "2026-11-23T01:30:00Z",
  "files": {
    "golden.npz": {"sha256": "%s", "size_bytes": 20},
    "model.onnx": {"sha256": "%s", "size_bytes": 10}
  }
}
""".replace(b"%s", HASH.encode())


def test_reports_a_newer_format() -> None:
    error = refusal(b'{"format_version": %d, "members": []}' % (FORMAT_VERSION + 1))
    assert error.reason == "format_newer"
    assert "made by a newer Mirage" in str(error)


def test_upgrades_older_formats_step_by_step() -> None:
    steps = {
        1: lambda fields: {**fields, "format_version": 2, "added": "in 2"},
        2: lambda fields: {**fields, "format_version": 3, "also": fields["added"] + " and 3"},
    }
    assert upgrade({"format_version": 1}, 3, steps) == {
        "format_version": 3,
        "added": "in 2",
        "also": "in 2 and 3",
    }


def test_format_1_has_no_directions() -> None:
    manifest = parse_manifest(FORMAT_1)
    assert manifest.format_version == FORMAT_VERSION
    assert manifest.directions == ()
    assert manifest.scores["agreement"].floor == 0.997
    assert parse_manifest(manifest.model_dump_json().encode()) == manifest


def test_rejects_format_1_with_a_field_of_format_2() -> None:
    fields = json.loads(FORMAT_1) | {"directions": SOUND["directions"]}
    error = refusal(json.dumps(fields).encode())
    assert (error.reason, "no field of format 1" in str(error)) == ("manifest_invalid", True)


@pytest.mark.parametrize("version", [1, 2])
def test_rejects_members_in_older_formats(version: int) -> None:
    old = json.loads(FORMAT_1) | {"format_version": version}
    if version > 1:
        old["directions"] = []
    assert parse_manifest(json.dumps(old).encode()).members == ()
    error = refusal(json.dumps(old | {"members": []}).encode())
    assert (error.reason, "no field of format 2" in str(error)) == ("manifest_invalid", True)


def test_formats_before_4_derive_their_tensors() -> None:
    manifest = parse_manifest(FORMAT_1)
    assert [str(tensor) for tensor in manifest.tensors] == [
        "latents float32 [N, 64]",
        "labels int64 [N]",
        "images uint8 [N, 28, 28, 1]",
    ]
    assert (manifest.latent_dim, manifest.image.width) == (64, 28)
    plain = parse_manifest(json.dumps(json.loads(FORMAT_1) | {"labels": []}).encode())
    assert [tensor.name for tensor in plain.inputs] == ["latents"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"inputs": SOUND["inputs"]}, "inputs is no field of format 3"),
        ({"latent_dim": 0}, "latent_dim: Input should be greater"),
        ({"image": {"height": 28, "width": 28}}, "image.channels: Field required"),
        ({"image": 7}, "image: Input should be"),
    ],
)
def test_names_invalid_tensor_fields_of_older_formats(fields: dict[str, Any], named: str) -> None:
    error = refusal(json.dumps(json.loads(FORMAT_1) | fields).encode())
    assert error.reason == "manifest_invalid"
    assert named in str(error)


def test_an_upgrade_does_not_modify_its_input() -> None:
    fields = json.loads(FORMAT_1)
    upgrade(fields, FORMAT_VERSION, UPGRADES)
    assert fields == json.loads(FORMAT_1)


def test_every_older_format_has_an_upgrade() -> None:
    assert list(UPGRADES) == list(range(1, FORMAT_VERSION))
