"""Named directions of a version: adding, reading, removing, and what is rejected."""

import json
from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.store.directions import (
    MAX_DIRECTIONS,
    add_direction,
    directions_path,
    read_directions,
    remove_direction,
)
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.prune import prune
from mirage.bundle.store.publish import Member, publish_ensemble
from tests.bundles import make_bundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """toy@1: latents of length 5, and two directions."""
    make_bundle(tmp_path, "toy")
    return tmp_path


def saved(path: Path, array: object) -> Path:
    np.save(path / "vector.npy", np.asarray(array))
    return path / "vector.npy"


def test_there_are_none_at_first(root: Path) -> None:
    assert read_directions(root, "toy", 1) == {}


def test_a_vector_is_scaled_to_length_1_and_keeps_its_float32(root: Path, tmp_path: Path) -> None:
    vector = np.array([[3, -4, 0.5, 1e-3, 7]], np.float32)
    add_direction(root, "toy", 1, "smile", saved(tmp_path, vector))
    stored = read_directions(root, "toy", 1)["smile"].vector
    expected = (vector[0].astype(float) / np.linalg.norm(vector[0].astype(float))).astype("f4")
    np.testing.assert_array_equal(np.array(stored, np.float32), expected)


def test_an_index_gets_a_name(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    assert read_directions(root, "toy", 1)["age"].index == 1


def test_names_are_read_in_their_order(root: Path, tmp_path: Path) -> None:
    add_direction(root, "toy", 1, "b", 1)
    add_direction(root, "toy", 1, "a", saved(tmp_path, [1, 0, 0, 0, 0]))
    assert list(read_directions(root, "toy", 1)) == ["a", "b"]


def test_a_name_is_never_replaced(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    before = directions_path(root / "toy" / "1").read_bytes()
    with pytest.raises(BundleError, match="'age' exists; remove it first") as caught:
        add_direction(root, "toy", 1, "age", 0)
    assert caught.value.reason == "direction_exists"
    assert directions_path(root / "toy" / "1").read_bytes() == before


def test_an_index_has_one_name(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    with pytest.raises(BundleError, match="direction 1 is called 'age' already"):
        add_direction(root, "toy", 1, "years", 1)


def test_a_removed_name_can_be_given_again(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    remove_direction(root, "toy", 1, "age")
    assert read_directions(root, "toy", 1) == {}
    add_direction(root, "toy", 1, "age", 0)


def test_removing_an_unknown_name_lists_the_known_ones(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    with pytest.raises(BundleError, match="no direction 'smile'; it has age") as caught:
        remove_direction(root, "toy", 1, "smile")
    assert caught.value.reason == "direction_unknown"


@pytest.mark.parametrize("name", ["", "3", "Smile", "a b", "a:1", "a,b", "x" * 64, "../x"])
def test_a_name_that_could_be_misread_is_rejected(name: str, root: Path) -> None:
    with pytest.raises(BundleError, match="does not match"):
        add_direction(root, "toy", 1, name, 0)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([1.0, 2.0], r"has shape \[2\]; toy@1 needs \[5\]"),
        (np.ones((5, 1, 2)), "has shape"),
        ([0.0] * 5, "has length 0, which is no direction"),
        ([float("nan")] * 5, "has length nan"),
        ([float("inf")] * 5, "has length inf"),
        ([1j] * 5, "does not hold one array of real numbers"),
        (["a"] * 5, "does not hold one array of real numbers"),
        (np.array([None] * 5, object), "no .npy file of numbers"),
        (np.zeros(2**18), "has over 1048576 bytes"),
    ],
    ids=["short", "shape", "zero", "nan", "infinite", "complex", "text", "objects", "large"],
)
def test_an_invalid_vector_is_rejected(
    array: object, message: str, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        add_direction(root, "toy", 1, "smile", saved(tmp_path, array))
    assert caught.value.reason == "direction_invalid"
    assert not directions_path(root / "toy" / "1").exists()


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_without_a_direction_is_rejected(index: int, root: Path) -> None:
    with pytest.raises(BundleError, match=rf"index is {index}; for toy@1, 0 … 1 are allowed"):
        add_direction(root, "toy", 1, "smile", index)


def test_names_are_limited(root: Path, tmp_path: Path) -> None:
    vector = {"vector": [1.0, 0, 0, 0, 0]}
    full = {f"d{number}": vector for number in range(MAX_DIRECTIONS)}
    directions_path(root / "toy" / "1").write_text(json.dumps(full))
    with pytest.raises(BundleError, match="at most 64 names"):
        add_direction(root, "toy", 1, "smile", 0)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"a": 1}',
        '{"a": {}}',
        '{"a": {"index": 1, "vector": [1.0]}}',
        '{"a": {"vector": [2.0]}}',
        '{"a": {"index": 64}}',
        '{"A": {"index": 0}}',
        '{"a": {"index": 0, "more": 1}}',
        '{"a": {"index": 0}, "a": {"index": 1}}',
    ],
)
def test_an_invalid_file_is_rejected_and_kept(text: str, root: Path) -> None:
    path = directions_path(root / "toy" / "1")
    path.write_text(text)
    for call in (
        lambda: read_directions(root, "toy", 1),
        lambda: add_direction(root, "toy", 1, "smile", 0),
    ):
        with pytest.raises(BundleError) as caught:
            call()
        assert caught.value.reason == "directions_unreadable"
    assert path.read_text() == text


def test_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"a": {"index": 0}}')
    directions_path(root / "toy" / "1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="symbolic link"):
        read_directions(root, "toy", 1)


def test_a_locked_model_is_left_alone(root: Path) -> None:
    with lock_model(root / "toy", wait=False), pytest.raises(BundleError) as caught:
        add_direction(root, "toy", 1, "age", 1)
    assert caught.value.reason == "locked"


def test_an_ensemble_has_none_of_its_own(root: Path) -> None:
    make_bundle(root, "toy", seed=1)
    publish_ensemble(root, "toy", [Member(version=1, weight=1), Member(version=2, weight=1)])
    with pytest.raises(BundleError, match="toy@3 is an ensemble"):
        add_direction(root, "toy", 3, "age", 0)


def test_pruning_a_version_removes_its_names(root: Path) -> None:
    add_direction(root, "toy", 1, "age", 1)
    make_bundle(root, "toy", seed=1)
    prune(root, "toy", 1)
    assert not directions_path(root / "toy" / "1").exists()
