"""Ensembles: each image is its member's own, wherever it stands in a request."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from mirage.bundle.format.latents import member_of
from mirage.bundle.format.manifest import Manifest, Member
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.bundles import make_bundle
from tests.service.exchange import JSON, NPY, post, problem
from tests.service.inference import exchange as inference

LATENTS = [[0.5, 0, 0, 0, 1.0]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy@4 of versions 1, 2 and 3, released; plain@3 of 1 and 2, unconditional, not released."""
    root = tmp_path_factory.mktemp("ensembles")
    for seed in range(3):
        make_bundle(root, seed=seed)
        if seed < 2:
            make_bundle(root, "plain", labels=(), seed=seed)
    weights = [(1, 1.0), (2, 2.0), (3, 1.0)]
    publish_ensemble(root, "toy", [Member(version=v, weight=w) for v, w in weights])
    publish_ensemble(root, "plain", [Member(version=v, weight=1.0) for v in (1, 2)])
    release(root, "toy", 4)
    return root


@pytest.fixture(scope="module")
def manifest(root: Path) -> Manifest:
    return read_manifest(root / "toy" / "4")


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    settings = Settings(models=root, default_model="toy", threads=1, encode_threads=1)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def images(client: TestClient, **fields: Any) -> np.ndarray:
    """uint8 `[n, H, W, C]`."""
    response = client.post("/generate", json=fields, headers={"accept": NPY})
    assert response.status_code == 200, response.text
    header = 128
    return np.frombuffer(response.content[header:], np.uint8).reshape(-1, 8, 12, 1)


def test_each_image_has_its_members_own_bytes_in_order(
    client: TestClient, manifest: Manifest
) -> None:
    found = images(client, seed=7, index=5, count=40)
    makers = [member_of(manifest, 7, 5 + row).version for row in range(40)]
    assert set(makers) == {1, 2, 3}
    own = {
        version: images(client, seed=7, index=5, count=40, version=version) for version in (1, 2, 3)
    }
    for row, version in enumerate(makers):
        assert np.array_equal(found[row], own[version][row])


def test_an_image_is_the_same_alone_and_among_others(client: TestClient) -> None:
    together = images(client, seed=9, count=12, labels=3, truncation=0.7)
    for index in range(12):
        alone = images(client, seed=9, index=index, labels=3, truncation=0.7)
        assert np.array_equal(alone[0], together[index])


def test_json_tells_the_member_of_each_image(client: TestClient, manifest: Manifest) -> None:
    response = client.post("/generate", json={"seed": 7, "count": 9}, headers={"accept": JSON})
    body = response.json()
    assert response.headers["x-model"] == "toy@4"
    assert (body["model"], body["version"]) == ("toy", 4)
    expected = [member_of(manifest, 7, index).version for index in range(9)]
    assert [image["member"] for image in body["images"]] == expected
    sheet = client.post(
        "/generate", json={"seed": 7, "count": 9, "layout": "grid"}, headers={"accept": JSON}
    )
    assert sheet.json()["images"][0]["member"] is None


def test_a_version_of_its_own_has_no_member(client: TestClient) -> None:
    answer = client.post("/generate", json={"version": 1}, headers={"accept": JSON})
    assert "member" not in answer.json()["images"][0]


def test_posted_latents_are_refused(client: TestClient) -> None:
    found = problem(post(client, latents=LATENTS, labels=3), 422, "invalid-value")
    assert "one of its members: version 1, 2, 3" in found["detail"]
    assert post(client, latents=LATENTS, labels=3, version=2).status_code == 200


def test_the_inference_protocol_has_latents_only(client: TestClient) -> None:
    response = inference.post(client, inference.wanted())
    assert response.status_code == 400
    assert "one of its members" in response.json()["error"]
    assert client.get("/v2/models/toy").json()["versions"] == ["1", "2", "3", "4"]
    assert client.get("/v2/models/toy/ready").status_code == 200


def test_a_walk_is_one_members(client: TestClient, manifest: Manifest) -> None:
    points = [{"seed": 7, "index": 3}, {"seed": 8}]
    member = member_of(manifest, 7, 3).version
    walk = client.post("/interpolate", json={"points": points, "steps": 3})
    own = client.post("/interpolate", json={"points": points, "steps": 3, "version": member})
    assert walk.headers["x-model"] == own.headers["x-model"] == f"toy@{member}"
    assert walk.content == own.content
    mixed = {"points": [{"seed": 7}, {"latents": LATENTS[0]}]}
    problem(client.post("/interpolate", json=mixed), 422, "invalid-value")


def test_its_members_are_described(client: TestClient) -> None:
    model = client.get("/models/toy").json()
    loaded = {version["version"]: version for version in model["loaded"]}
    assert set(loaded) == {1, 2, 3, 4}
    assert loaded[4]["members"] == [
        {"version": 1, "weight": 1.0},
        {"version": 2, "weight": 2.0},
        {"version": 3, "weight": 1.0},
    ]
    assert loaded[4]["size_bytes"] == sum(loaded[v]["size_bytes"] for v in (1, 2, 3))
    assert len({version["sha256"] for version in loaded.values()}) == 4
    assert loaded[1]["members"] == []


def test_it_comes_on_demand_too(client: TestClient) -> None:
    response = post(client, model="plain", version=3, seed=7, count=2)
    assert response.headers["x-model"] == "plain@3"
    assert post(client, model="plain", version=3, latents=LATENTS).status_code == 422


def test_its_images_are_counted_as_its_own(client: TestClient) -> None:
    images(client, seed=1, count=3)
    assert 'mirage_images_total{model="toy",version="4"}' in client.get("/metrics").text
