"""Every field, body type and answer type of POST /generate, over HTTP."""

import base64
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents, takes_canary
from mirage.bundle.store.release import Canary, release
from mirage.service.api.content.negotiation import ANSWER_TYPES
from tests.bundles import Toy, make_bundle
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import JSON, NPY, OCTETS, npy, pixels, post

LATENTS = draw_latents(7, 0, 2, 5)[0]


def test_an_empty_body_makes_one_image(client: TestClient) -> None:
    response = client.post("/generate")
    assert pixels(response).shape == (8, 12)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-model"] == "toy@1"
    assert response.headers["vary"] == "Accept"
    assert int(response.headers["x-seed"]) < 2**53


def test_the_pixels_are_the_graphs(client: TestClient) -> None:
    latents, _ = draw_latents(7, 0, 1, 5)
    expected = Toy().images(latents, np.array([3]))[0, :, :, 0]
    assert np.array_equal(pixels(post(client, seed=7, labels=3)), expected)


def test_server_timing_names_the_three_stages(client: TestClient) -> None:
    header = client.post("/generate").headers["server-timing"]
    stages = [item.split(";dur=") for item in header.split(", ")]
    assert [name for name, _ in stages] == ["queue", "engine", "encode"]
    assert all(float(milliseconds) >= 0 for _, milliseconds in stages)


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**64 - 1])
def test_a_seed_is_exact_as_a_number_and_as_a_string(client: TestClient, seed: int) -> None:
    number, text = post(client, seed=seed, labels=1), post(client, seed=str(seed), labels=1)
    assert number.headers["x-seed"] == text.headers["x-seed"] == str(seed)
    assert number.content == text.content
    neighbour = post(client, seed=seed - 1 if seed else 1, labels=1)
    assert neighbour.content != number.content


@pytest.mark.parametrize("media", ANSWER_TYPES)
def test_every_answer_type_is_given(client: TestClient, media: str) -> None:
    for count in (1, 5):
        response = client.post("/generate", json={"count": count}, headers={"accept": media})
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(media)


def test_several_images_are_a_zip_by_default(client: TestClient) -> None:
    response = post(client, seed=7, count=3)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == ["000.png", "001.png", "002.png"]


def test_a_grid_is_one_sheet(client: TestClient) -> None:
    assert pixels(post(client, count=5, layout="grid")).shape == (16, 36)


def test_a_label_list_counts_the_images(client: TestClient) -> None:
    response = client.post(
        "/generate", json={"labels": [1, "2", 3]}, headers={"accept": "application/json"}
    )
    assert [image["label"] for image in response.json()["images"]] == [1, 2, 3]


@pytest.mark.parametrize("media", [JSON, NPY, OCTETS])
def test_the_same_latents_make_the_same_image_by_every_body_type(
    client: TestClient, media: str
) -> None:
    if media == JSON:
        response = post(client, latents=LATENTS[:1].astype(float).tolist(), labels=3)
    else:
        body = npy(LATENTS[:1]) if media == NPY else LATENTS[:1].tobytes()
        headers = {"content-type": media}
        response = client.post("/generate?labels=3", content=body, headers=headers)
    assert response.status_code == 200, response.text
    assert "x-seed" not in response.headers
    assert response.content == post(client, seed=7, labels=3).content


def test_the_query_takes_the_other_fields(client: TestClient) -> None:
    response = client.post(
        "/generate?labels=2,1&model=toy&version=2&layout=grid&index=3",
        content=LATENTS.tobytes(),
        headers={"content-type": OCTETS, "accept": "image/png"},
    )
    assert pixels(response).shape == (8, 24)
    assert response.headers["x-model"] == "toy@2"


def test_an_unreleased_version_is_reached_by_number(client: TestClient) -> None:
    first, second = post(client, seed=1, labels=1), post(client, seed=1, labels=1, version=2)
    assert second.headers["x-model"] == "toy@2"
    assert first.content != second.content
    rgb = post(client, model="rgb", version=1, labels="cat")
    assert pixels(rgb).shape == (8, 12, 3)


def test_an_unconditional_model_has_no_label(client: TestClient) -> None:
    response = client.post(
        "/generate", json={"model": "plain"}, headers={"accept": "application/json"}
    )
    (image,) = response.json()["images"]
    assert (image["label"], image["class"]) == (None, None)
    assert base64.b64decode(image["png"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("header", ["60000", "9" * 99])
def test_a_longer_deadline_is_capped(client: TestClient, header: str) -> None:
    assert client.post("/generate", headers={"x-deadline-ms": header}).status_code == 200


def test_a_canary_meets_seeds_and_nothing_else(tmp_path: Path, client_of: ClientOf) -> None:
    for seed in range(2):
        make_bundle(tmp_path, seed=seed)
    release(tmp_path, "toy", 1, Canary(2, 0.5))
    client = client_of(models=tmp_path)
    for seed in range(30):
        expected = "toy@2" if takes_canary("toy", seed, 0.5) else "toy@1"
        answer = post(client, seed=seed)
        assert (answer.headers["x-model"], answer.headers["x-seed"]) == (expected, str(seed))
        assert post(client, seed=seed, version=1).headers["x-model"] == "toy@1"
        walk = {"points": [{"seed": seed}, {"seed": 0}], "steps": 1}
        assert client.post("/interpolate", json=walk).headers["x-model"] == expected
    drawn = post(client)
    taken = takes_canary("toy", int(drawn.headers["x-seed"]), 0.5)
    assert drawn.headers["x-model"] == ("toy@2" if taken else "toy@1")
    assert post(client, latents=LATENTS.tolist(), labels=3).headers["x-model"] == "toy@1"
    listed = client.get("/models/toy").json()
    assert listed["canary"] == {"version": 2, "share": 0.5}
