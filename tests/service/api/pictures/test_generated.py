"""Images of a generator that another model enlarges within the same request."""

import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from tests.service.api.pictures.conftest import Serving
from tests.service.helpers.pictures import encoded, enlarge
from tests.service.helpers.requests import JSON, NPY, pixels, post, problem

POINTS = [{"seed": 1}, {"seed": 2}]


def arrays(client: TestClient, **fields: Any) -> np.ndarray:
    response = client.post("/generate", json=fields, headers={"accept": NPY})
    assert response.status_code == 200, response.text
    found: np.ndarray = np.load(io.BytesIO(response.content), allow_pickle=False)
    return found


@pytest.mark.parametrize("model", ["toy", "plain"])
def test_images_are_those_of_both_models_one_after_the_other(
    upscaler: TestClient, model: str
) -> None:
    made = arrays(upscaler, model=model, seed=7, count=5)
    larger = arrays(upscaler, model=model, seed=7, count=5, upscale="larger")
    assert larger.shape == (5, 16, 24, made.shape[3])
    for small, large in zip(made, larger, strict=True):
        picture = small[:, :, 0] if small.shape[2] == 1 else small
        found = pixels(enlarge(upscaler, encoded(picture), model="larger"))
        np.testing.assert_array_equal(found.reshape(large.shape), large)


def test_the_header_names_the_model_and_each_type_holds_the_larger_images(
    upscaler: TestClient,
) -> None:
    fields = {"model": "toy", "seed": 7, "upscale": "larger@2"}
    png = post(upscaler, **fields)
    assert (png.headers["x-model"], png.headers["x-upscale"]) == ("toy@1", "larger@2")
    assert png.headers["x-seed"] == "7"
    assert pixels(png).shape == (16, 24)
    found = upscaler.post("/generate", json=fields, headers={"accept": JSON}).json()
    assert found["model"] == "toy"
    grid = post(upscaler, **fields, count=4, layout="grid")
    assert pixels(grid).shape == (32, 48)
    query = {"model": "toy", "labels": "3", "upscale": "larger"}
    octets = {"content-type": "application/octet-stream"}
    latents = np.zeros(5, np.float32).tobytes()
    sent = upscaler.post("/generate", content=latents, params=query, headers=octets)
    assert sent.headers["x-upscale"] == "larger@1"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/generate", {"seed": 7}),
        ("/interpolate", {"points": POINTS, "steps": 1}),
        ("/interpolate", {"points": POINTS, "steps": 40}),  # as a stream
    ],
)
def test_images_whose_tiles_are_not_cut_in_time_get_504(
    serving: Serving, path: str, fields: dict[str, Any]
) -> None:
    client, done = serving(), threading.Event()
    assert isinstance(client.app, FastAPI)
    busy = client.app.state.service.encoders.submit(done.wait, 20)  # the only thread
    asked = {**fields, "model": "toy", "upscale": "larger"}
    try:
        response = client.post(path, json=asked, headers={"x-deadline-ms": "400"})
        assert not busy.done()
    finally:
        done.set()
    problem(response, 504, "deadline-passed")


def test_all_images_are_one_batch_of_each_model(serving: Serving) -> None:
    client = serving()
    assert post(client, model="toy", seed=7, count=16, upscale="larger").status_code == 200
    text = client.get("/metrics").text
    for model in ("toy", "larger"):
        labels = f'model="{model}",version="1"'
        assert f"mirage_batch_images_count{{{labels}}} 1.0" in text
        assert f"mirage_images_total{{{labels}}} 16.0" in text


@pytest.mark.parametrize(
    ("name", "status", "slug", "words"),
    [
        ("unknown", 404, "no-such-model", "unknown"),
        ("larger@7", 404, "no-such-model", "version is 7"),
        ("toy", 422, "invalid-value", "task is generate"),
        ("larger@0", 422, "invalid-value", "upscale is"),
        ("larger@1@2", 422, "invalid-value", "upscale is"),
        ("../larger", 422, "invalid-value", "upscale is"),
        ("", 422, "invalid-value", "upscale is"),
    ],
)
def test_a_model_that_cannot_enlarge_is_told(
    upscaler: TestClient, name: str, status: int, slug: str, words: str
) -> None:
    for path, fields in (("/generate", {}), ("/interpolate", {"points": POINTS})):
        body = {"model": "toy", "upscale": name, **fields}
        found = problem(upscaler.post(path, json=body), status, slug)
        assert words in found["detail"]
        if status == 422:
            assert found["errors"][0]["loc"] == ["upscale"]


def test_limits_are_of_the_enlarged_images(serving: Serving) -> None:
    client = serving(megapixels_per_request=0.001)
    fields = {"model": "toy", "count": 3}
    assert post(client, **fields).status_code == 200
    found = problem(post(client, **fields, upscale="larger"), 422, "limit-exceeded")
    assert "12x8 pixels each, 3 of them" in found["detail"]
    walk = {"model": "toy", "points": POINTS, "steps": 2, "upscale": "larger"}
    problem(client.post("/interpolate", json=walk), 422, "limit-exceeded")


@pytest.mark.parametrize("steps", [3, 80])
def test_frames_are_enlarged_whole_or_in_parts(upscaler: TestClient, steps: int) -> None:
    walk = {"model": "toy", "points": POINTS, "steps": steps}
    small = upscaler.post("/interpolate", json=walk)
    large = upscaler.post("/interpolate", json={**walk, "upscale": "larger"})
    assert large.headers["x-upscale"] == "larger@1"
    with (
        zipfile.ZipFile(io.BytesIO(small.content)) as before,
        zipfile.ZipFile(io.BytesIO(large.content)) as after,
    ):
        assert len(after.namelist()) == steps + 1
        for name in after.namelist()[:: steps // 3]:
            expected = pixels(enlarge(upscaler, before.read(name)))
            with Image.open(io.BytesIO(after.read(name))) as image:
                np.testing.assert_array_equal(np.asarray(image), expected)


def test_animations_have_the_larger_size(upscaler: TestClient) -> None:
    walk = {"model": "plain", "points": POINTS, "steps": 3, "upscale": "larger"}
    sent = upscaler.post("/interpolate", json=walk, headers={"accept": "image/gif"})
    with Image.open(io.BytesIO(sent.content)) as image:
        assert image.size == (24, 16)


def test_the_list_of_models_tells_what_they_do(upscaler: TestClient, upscalers: Path) -> None:
    listed = {each["name"]: each for each in upscaler.get("/models").json()["models"]}
    assert {name: (each["task"], each["scale"]) for name, each in listed.items()} == {
        "grey": ("upscale", 3),
        "larger": ("upscale", 2),
        "plain": ("generate", None),
        "rgba": ("upscale", 2),
        "styled": ("translate", 1),
        "toy": ("generate", None),
    }
    detail = upscaler.get("/models/larger").json()
    (loaded,) = (each for each in detail["loaded"] if each["version"] == 1)
    manifest = json.loads((upscalers / "larger/1/manifest.json").read_bytes())
    assert loaded["pictures"] == {**manifest["pictures"], "channels": 3, "tile": 64}
    assert loaded["image"] is None
    limits = {name: value for name, value in detail["limits"].items() if "picture" in name}
    assert limits == {
        "picture_bytes": 32 * 2**20,
        "picture_megapixels": 16,
        "picture_side": 16384,
        "picture_deadline_s": 120,
    }
    assert upscaler.get("/models/toy").json()["loaded"][0]["pictures"] is None
