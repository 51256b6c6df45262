"""Moving along latent directions, by the formula and over HTTP."""

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Direction
from mirage.bundle.format.verify import read_manifest
from mirage.service.directions import move_latents
from tests.bundles import Toy
from tests.service.exchange import OCTETS, pixels, post, problem

LATENTS = draw_latents(7, 0, 3, 5)[0]


def test_latents_move_in_float32_one_direction_after_the_other_by_index(models_root: Path) -> None:
    vectors = [np.array(v, np.float32) for v in ([0.6, 0.8, 0, 0, 0], [0.8, 0, -0.6, 0, 0])]
    directions = tuple(Direction(vector=tuple(v.tolist()), strength=0.1) for v in vectors)
    manifest = read_manifest(models_root / "toy/1").model_copy(update={"directions": directions})
    moved = move_latents(LATENTS, {"1": -2.5, "0": 0.1}, manifest)
    expected = (LATENTS + np.float32(0.1) * vectors[0]) + np.float32(-2.5) * vectors[1]
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("directions", [None, {}, {"0": 0}, {"0": 0.0, "1": -0.0}])
def test_nothing_changes_when_nothing_moves(client: TestClient, directions: object) -> None:
    still = post(client, seed=7, labels=3)
    assert post(client, seed=7, labels=3, directions=directions).content == still.content


def test_the_pixels_are_those_of_the_moved_latents(client: TestClient) -> None:
    latents = np.float32(0.5) * LATENTS[:1]
    latents[:, :2] += np.array([1.5, -2], np.float32)
    expected = Toy().images(latents, np.array([3]))[0, :, :, 0]
    fields = {"labels": 3, "directions": {"1": -2, "0": 1.5}}
    np.testing.assert_array_equal(pixels(post(client, seed=7, truncation=0.5, **fields)), expected)


def test_posted_latents_move_too_by_body_and_by_query(client: TestClient) -> None:
    by_seed = post(client, seed=7, labels=3, directions={"0": 1.5, "1": -2}).content
    rows = LATENTS[:1].astype(float).tolist()
    by_body = post(client, latents=rows, labels=3, directions={"0": 1.5, "1": -2}).content
    by_query = client.post(
        "/generate?labels=3&directions=1:-2,0:1.5",
        content=LATENTS[:1].tobytes(),
        headers={"content-type": OCTETS},
    ).content
    assert by_seed == by_body == by_query


def test_an_unknown_direction_is_told_how_many_there_are(client: TestClient) -> None:
    found = problem(post(client, directions={"2": 1}), 422, "invalid-value")
    assert found["detail"] == "direction is 2; toy@1 has 2, so 0 … 1 are allowed"
    assert found["errors"][0]["loc"] == ["directions", "2"]


@pytest.mark.parametrize(
    "directions", [{"0": 20.5}, {"0": "1"}, {"0": True}, {"-1": 1}, {"00": 1}, {"x": 1}, [1], 1]
)
def test_a_wrong_amount_or_index_is_refused(client: TestClient, directions: object) -> None:
    found = problem(post(client, directions=directions), 422, "invalid-value")
    assert "directions" in found["detail"]


@pytest.mark.parametrize("text", ["0", "0:", "0:x", "0:1,", "0:1,0:2", "0:1e999", "9:1", ":1"])
def test_a_wrong_query_is_refused(client: TestClient, text: str) -> None:
    response = client.post(
        f"/generate?labels=3&directions={text}",
        content=LATENTS[:1].tobytes(),
        headers={"content-type": OCTETS},
    )
    assert "direction" in problem(response, 422, "invalid-value")["detail"]
