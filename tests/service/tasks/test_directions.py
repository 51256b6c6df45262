"""Moving latents along directions, by index and by name."""

from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Direction, Manifest
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.directions import NamedDirection
from mirage.service.errors import InvalidValue
from mirage.service.tasks.directions import move_latents

LATENTS = draw_latents(7, 0, 3, 5)[0]
NAMED = {
    "age": NamedDirection(index=1),
    "smile": NamedDirection(vector=(0.0, 0.0, 0.0, 0.6, -0.8)),
}


@pytest.fixture(scope="module")
def toy(models_root: Path) -> Manifest:
    return read_manifest(models_root / "toy/1")


def test_directions_are_added_in_float32_by_increasing_index(toy: Manifest) -> None:
    vectors = [np.array(v, np.float32) for v in ([0.6, 0.8, 0, 0, 0], [0.8, 0, -0.6, 0, 0])]
    directions = tuple(Direction(vector=tuple(v.tolist()), strength=0.1) for v in vectors)
    manifest = toy.model_copy(update={"directions": directions})
    moved = move_latents(LATENTS, {"1": -2.5, "0": 0.1}, manifest)
    expected = (LATENTS + np.float32(0.1) * vectors[0]) + np.float32(-2.5) * vectors[1]
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, expected)


def test_a_name_of_an_index_acts_as_the_index(toy: Manifest) -> None:
    by_name = move_latents(LATENTS, {"age": -2.5, "0": 0.1}, toy, NAMED)
    by_index = move_latents(LATENTS, {"0": 0.1, "1": -2.5}, toy, NAMED)
    np.testing.assert_array_equal(by_name, by_index)


def test_further_directions_are_added_after_those_of_the_model(toy: Manifest) -> None:
    moved = move_latents(LATENTS, {"smile": 0.7, "1": 0.3}, toy, NAMED)
    vector = np.array(NAMED["smile"].vector, np.float32)
    expected = move_latents(LATENTS, {"1": 0.3}, toy) + np.float32(0.7) * vector
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("2", "direction is 2; toy@1 has 2, so 0 … 1 are allowed, and by name: age, smile"),
        (
            "frown",
            "direction is 'frown'; the directions of toy@1 are 0 … 1 by index, and by name:"
            " age, smile",
        ),
    ],
)
def test_the_error_of_an_unknown_direction_names_the_known_ones(
    key: str, message: str, toy: Manifest
) -> None:
    with pytest.raises(InvalidValue) as caught:
        move_latents(LATENTS, {key: 1}, toy, NAMED)
    assert str(caught.value) == message
    assert caught.value.errors == [{"loc": ["directions", key], "msg": message}]
