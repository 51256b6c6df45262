import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest, parse_manifest

HASH = "0" * 64
SOUND: dict[str, Any] = {
    "format_version": 7,
    "name": "mnist",
    "version": 3,
    "task": "generate",
    "created": "2026-01-31T12:00:00Z",
    "files": {
        "model.onnx": {"sha256": HASH, "size_bytes": 10},
        "golden.npz": {"sha256": HASH, "size_bytes": 20},
    },
    "opset": 20,
    "inputs": [
        {"name": "latents", "dtype": "float32", "shape": ["N", 2], "meaning": "latents"},
        {"name": "labels", "dtype": "int64", "shape": ["N"], "meaning": "labels"},
    ],
    "outputs": [
        {"name": "images", "dtype": "uint8", "shape": ["N", 28, 32, 1], "meaning": "images"}
    ],
    "labels": ["cat", "dog"],
    "truncation": "scale",
    "golden_tolerance": 1.0,
    "training": {
        "preset": "mnist",
        "data_fingerprint": "ab12",
        "kimg": 1500.5,
        "seed": 0,
        "code_version": "0.1.0",
        "torch_version": "2.13.0",
    },
    "scores": {"frechet": {"value": 2.5, "floor": 0.5, "n": 10000}, "coverage": {"value": 0.9}},
    "directions": [{"vector": [0.6, -0.8], "strength": 0.75}],
    "members": [],
    "pictures": None,
    "sound": None,
    "sequence": None,
}
ENSEMBLE = SOUND | {
    "files": {"README.md": {"sha256": HASH, "size_bytes": 10}},
    "members": [{"version": 1, "weight": 0.25}, {"version": 2, "weight": 3.0}],
}
UPSCALER = SOUND | {
    "task": "upscale",
    "labels": [],
    "directions": [],
    "inputs": [
        {"name": "pictures", "dtype": "uint8", "shape": ["N", "H", "W", 3], "meaning": "pictures"}
    ],
    "outputs": [
        {"name": "images", "dtype": "uint8", "shape": ["N", "4*H", "4*W", 3], "meaning": "images"}
    ],
    "pictures": {
        "scale": 4,
        "multiple": 1,
        "halo": 12,
        "border": "replicate",
        "degradation": "bicubic",
    },
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def changed(path: str, value: Any) -> bytes:
    """A valid manifest with one field, `a.b.c`, changed; the value `...` removes it."""
    fields = json.loads(json.dumps(SOUND))
    *parents, last = path.split("/")
    place = fields
    for parent in parents:
        place = place[int(parent) if isinstance(place, list) else parent]
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(fields).encode()


def refusal(raw: bytes) -> BundleError:
    with pytest.raises(BundleError) as caught:
        parse_manifest(raw)
    return caught.value


def test_reads_a_valid_manifest() -> None:
    manifest = parse_manifest(json.dumps(SOUND).encode())
    assert manifest.labels == ("cat", "dog")
    assert manifest.num_classes == 2
    assert manifest.created == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert manifest.scores["coverage"].floor is None


def test_round_trips() -> None:
    manifest = parse_manifest(json.dumps(SOUND).encode())
    assert parse_manifest(manifest.model_dump_json().encode()) == manifest


def test_a_manifest_is_immutable() -> None:
    manifest = parse_manifest(json.dumps(SOUND).encode())
    with pytest.raises(ValidationError, match="frozen"):
        manifest.version = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("surprise", 1, "surprise: Extra inputs"),
        ("outputs/0/depth", 8, "outputs.0.depth: Extra inputs"),
        ("labels", ..., "labels: Field required"),
        ("format_version", 0, "format_version: Input should be greater"),
        ("format_version", True, "format_version: Input should be a valid integer"),
        ("format_version", "1", "format_version: Input should be a valid integer"),
        ("name", "../mnist", "name: String should match"),
        ("name", "MNIST", "name: String should match"),
        ("name", "a" * 64, "name: String should match"),
        ("name", "mnist\n", "name: String should match"),
        ("version", 0, "version: Input should be greater"),
        ("version", "3", "version: Input should be a valid integer"),
        ("task", "classify", "task: Input should be 'generate', 'upscale' or 'translate'"),
        ("task", "upscale", "pictures are None; task upscale does not allow that"),
        ("pictures", ..., "pictures: Field required"),
        ("pictures", UPSCALER["pictures"], "task generate does not allow that"),
        ("created", 1700000000, "created"),
        ("created", "2026-01-31T12:00:00", "created: Input should have timezone"),
        ("created", "2026-01-31T12:00:00+02:00", "created: must be in UTC"),
        ("files/..%2fx", {"sha256": HASH, "size_bytes": 1}, "String should match"),
        ("files/.hidden", {"sha256": HASH, "size_bytes": 1}, "String should match"),
        ("files/manifest.json", {"sha256": HASH, "size_bytes": 1}, "cannot hold its own hash"),
        ("files/golden.npz", ..., "must list golden.npz"),
        ("files/model.onnx/sha256", "0" * 63, "String should match"),
        ("files/model.onnx/size_bytes", -1, "greater than or equal to 0"),
        ("inputs", [], "inputs: Tuple should have at least 1 item"),
        ("inputs/0/shape/1", 0, "inputs.0.shape.1"),
        ("inputs/0/shape/1", 10**9, "inputs.0.shape.1"),
        ("inputs/0/shape/1", "H", "shape of latents is ['N', 'H']; only N may be free"),
        ("inputs/0/shape/0", 8, "shape of latents is [8, 2]; N and 1 more axes are allowed"),
        ("inputs/0/dtype", "int64", "dtype of latents is int64; float32 is allowed"),
        ("inputs/0/meaning", "pictures", "dtype of pictures is float32; uint8 is allowed"),
        ("inputs/1/name", "latents", "names of tensors must differ from each other"),
        ("outputs/0/name", "Images", "outputs.0.name: String should match"),
        ("labels", ["cat", "cat"], "class names must differ"),
        ("labels", ["cat", ""], "labels.1"),
        ("labels", ["cat\n"], "labels.0"),
        ("labels", [1], "labels.0: Input should be a valid string"),
        ("labels", "cat", "labels: Input should be a valid"),
        ("outputs/0/shape/3", 2, "channels of images are 2; 1, 3 or 4 are allowed"),
        ("outputs/0/shape/1", 0, "outputs.0.shape.1"),
        ("outputs/0/shape/2", 10_000, "sides of images are 28 and 10000; up to 8192 are allowed"),
        ("truncation", "psi", "truncation: Input should be 'scale'"),
        ("golden_tolerance", -1, "golden_tolerance"),
        ("training/kimg", -1, "training.kimg"),
        ("training/seed", 2**64, "training.seed"),
        ("training/preset", "a\nb", "training.preset"),
        ("scores/Fréchet", {"value": 1}, "String should match"),
        ("scores/frechet/value", "2.5", "scores.frechet.value: Input should be a valid number"),
        ("scores/frechet/n", 0, "scores.frechet.n"),
        ("directions", ..., "directions: Field required"),
        ("directions/0/surprise", 1, "directions.0.surprise: Extra inputs"),
        ("directions/0/vector", [0.6, 0.9], "must have length 1, not 1.08167"),
        ("directions/0/vector", [0.0, 0.0], "must have length 1, not 0"),
        ("directions/0/vector", [], "must have length 1"),
        ("directions/0/vector", [2.0, 0.0], "directions.0.vector.0: Input should be less"),
        ("directions/0/vector", ["0.6", 0.8], "directions.0.vector.0: Input should be a valid num"),
        ("directions/0/vector", [1.0], "directions.0.vector has 1 numbers; latent_dim is 2"),
        ("directions/0/strength", 1.5, "directions.0.strength: Input should be less"),
        ("directions", [{"vector": [1.0, 0.0], "strength": 0.0}] * 65, "at most 64 items"),
    ],
)
def test_names_an_invalid_field_and_its_value(path: str, value: Any, named: str) -> None:
    error = refusal(changed(path, value))
    assert error.reason == "manifest_invalid"
    assert named in str(error)


@pytest.mark.parametrize("path", ["../x", "a/b", "/etc/passwd", "..", ".", "", "a\\b", "a\0b"])
def test_rejects_file_names_outside_of_the_folder(path: str) -> None:
    files = SOUND["files"] | {path: {"sha256": HASH, "size_bytes": 1}}
    assert refusal(changed("files", files)).reason == "manifest_invalid"


@pytest.mark.parametrize("text", ["1e999", "-1e999"])
def test_rejects_numbers_out_of_the_range_of_floats(text: str) -> None:
    raw = changed("scores/frechet/value", "HERE").replace(b'"HERE"', text.encode())
    assert refusal(raw).reason == "manifest_invalid"


def test_counts_many_faults_instead_of_listing_them() -> None:
    error = refusal(b"{}")
    assert "and 16 more" in str(error)
    assert "\n" not in str(error)


def test_accepts_an_ensemble_without_a_graph() -> None:
    manifest = parse_manifest(json.dumps(ENSEMBLE).encode())
    assert [(member.version, member.weight) for member in manifest.members] == [(1, 0.25), (2, 3)]
    assert parse_manifest(manifest.model_dump_json().encode()) == manifest


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"members": [{"version": 1, "weight": 1.0}]}, "members: must be two"),
        ({"members": 2 * [{"version": 1, "weight": 1.0}]}, "must differ from each other"),
        ({"members": [{"version": n, "weight": 1.0} for n in (1, 3)]}, "older versions; [3]"),
        ({"members": [{"version": n, "weight": 0.0} for n in (1, 2)]}, "members.0.weight"),
        ({"members": [{"version": n} for n in (1, 2)]}, "members.0.weight: Field required"),
        ({"members": [{"version": n, "weight": 1.0} for n in range(1, 67)]}, "at most 64"),
        ({"files": SOUND["files"]}, "must not list golden.npz, model.onnx"),
        ({"members": []}, "files must list model.onnx, golden.npz"),
    ],
)
def test_rejects_an_invalid_ensemble(fields: dict[str, Any], named: str) -> None:
    error = refusal(json.dumps(ENSEMBLE | fields).encode())
    assert error.reason == "manifest_invalid"
    assert named in str(error)


def test_round_trips_a_model_of_pictures() -> None:
    manifest = parse_manifest(json.dumps(UPSCALER).encode())
    assert manifest.pictures is not None
    assert (manifest.pictures.scale, manifest.latent_dim) == (4, 0)
    assert parse_manifest(manifest.model_dump_json().encode()) == manifest


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pictures": UPSCALER["pictures"] | {"scale": 2}}, "images uint8 [N, 2*H, 2*W, 3] are"),
        ({"pictures": UPSCALER["pictures"] | {"scale": 9}}, "pictures.scale: Input should be"),
        ({"pictures": UPSCALER["pictures"] | {"halo": -1}}, "pictures.halo: Input should be"),
        ({"pictures": UPSCALER["pictures"] | {"border": "wrap"}}, "pictures.border"),
        ({"task": "translate"}, "scale is 4; 1 is allowed for translate"),
        ({"inputs": SOUND["inputs"]}, "inputs are latents, labels; pictures are allowed"),
        ({"outputs": SOUND["outputs"]}, "images uint8 [N, 4*H, 4*W, 3] are allowed"),
        ({"labels": ["cat"]}, "labels are 1; a model of pictures has none"),
    ],
)
def test_rejects_an_invalid_model_of_pictures(fields: dict[str, Any], named: str) -> None:
    error = refusal(json.dumps(UPSCALER | fields).encode())
    assert error.reason == "manifest_invalid"
    assert named in str(error)


def test_describes_differences_in_inputs_outputs_and_labels() -> None:
    manifest = parse_manifest(json.dumps(SOUND).encode())
    same = parse_manifest(changed("training/seed", 7))
    wider = parse_manifest(changed("outputs/0/shape/2", 33))
    assert manifest.tell_difference(same) == ""
    assert "outputs are images uint8 [N, 28, 33, 1]" in wider.tell_difference(manifest)


@given(st.binary())
def test_any_bytes_give_a_manifest_or_an_error(raw: bytes) -> None:
    refusal(raw)


@given(ANY_JSON)
def test_any_json_gives_a_manifest_or_an_error(value: Any) -> None:
    refusal(json.dumps(value).encode())


@given(st.sampled_from(sorted(SOUND)), ANY_JSON)
def test_any_value_of_a_field_gives_a_manifest_or_an_error(field: str, value: Any) -> None:
    try:
        manifest = parse_manifest(json.dumps(SOUND | {field: value}).encode())
    except BundleError:
        return
    assert isinstance(manifest, Manifest)
    assert json.loads(manifest.model_dump_json())[field] == pytest.approx(value)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_any_damage_gives_a_manifest_or_an_error(place: int, damage: bytes) -> None:
    raw = bytearray(json.dumps(SOUND).encode())
    place %= len(raw)
    raw[place : place + len(damage)] = damage
    with suppress(BundleError):
        parse_manifest(bytes(raw))
