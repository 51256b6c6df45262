"""Directions by name over HTTP."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from mirage.bundle.store.directions import add_direction
from mirage.bundle.store.release import release
from tests.bundles import make_bundle
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import OCTETS, post, problem


@pytest.fixture
def named(tmp_path: Path, client_of: ClientOf) -> TestClient:
    """`toy` with `age`, its direction 1, and `smile`, a further one."""
    make_bundle(tmp_path, "toy")
    release(tmp_path, "toy", 1)
    np.save(tmp_path / "smile.npy", np.array([0, 0, 0, 3, -4], np.float32))
    add_direction(tmp_path, "toy", 1, "age", 1)
    add_direction(tmp_path, "toy", 1, "smile", tmp_path / "smile.npy")
    return client_of(models=tmp_path)


def test_a_name_moves_like_its_index(named: TestClient) -> None:
    by_name = post(named, seed=7, labels=3, directions={"age": -2, "0": 1})
    by_index = post(named, seed=7, labels=3, directions={"0": 1, "1": -2})
    assert by_name.status_code == 200
    assert by_name.content == by_index.content


def test_a_name_in_a_query_is_that_of_a_body(named: TestClient) -> None:
    latents = np.zeros(5, np.float32)
    fields = {"latents": [[0] * 5], "labels": 3, "directions": {"smile": 1.5, "0": -2}}
    by_query = named.post(
        "/generate?labels=3&directions=smile:1.5,0:-2",
        content=latents.tobytes(),
        headers={"content-type": OCTETS},
    )
    assert by_query.status_code == 200
    assert by_query.content == post(named, **fields).content


def test_frames_move_by_name(named: TestClient) -> None:
    points = [{"seed": 1, "label": 3}, {"seed": 2, "label": 3}]
    frames = [
        named.post("/interpolate", json={"points": points, "directions": directions}).content
        for directions in ({"age": 2}, {"1": 2}, {"smile": 2})
    ]
    assert frames[0] == frames[1] != frames[2]


def test_a_walk_goes_from_an_image_to_the_same_one_moved(named: TestClient) -> None:
    image = {"latents": [0.5, -1, 0, 2, 1]}
    points = [image | {"label": 3}, image | {"label": 3, "directions": {"smile": 2}}]
    walk = named.post("/interpolate", json={"points": points, "steps": 3})
    with zipfile.ZipFile(io.BytesIO(walk.content)) as archive:
        frames = [archive.read(name) for name in archive.namelist()]
    posted = {"latents": [image["latents"]], "labels": 3}
    assert frames[0] == post(named, **posted).content
    assert frames[3] == post(named, **posted, directions={"smile": 2}).content


def test_an_unknown_direction_of_a_point_is_named_with_its_place(named: TestClient) -> None:
    points = [{"seed": 1}, {"seed": 2, "directions": {"frown": 1}}]
    found = problem(named.post("/interpolate", json={"points": points}), 422, "invalid-value")
    assert found["errors"][0]["loc"] == ["points", 1, "directions", "frown"]


def test_an_unknown_name_lists_those_that_exist(named: TestClient) -> None:
    found = problem(post(named, directions={"frown": 1}), 422, "invalid-value")
    assert found["detail"].endswith("are 0 … 1 by index, and by name: age, smile")
    assert found["errors"][0]["loc"] == ["directions", "frown"]


def test_the_model_lists_its_names(named: TestClient) -> None:
    (version,) = named.get("/models/toy").json()["loaded"]
    assert version["directions"] == [
        {"index": 0, "name": None, "strength": 0.5},
        {"index": 1, "name": "age", "strength": 0.25},
        {"index": None, "name": "smile", "strength": None},
    ]
