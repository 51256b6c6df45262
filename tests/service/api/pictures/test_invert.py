"""`POST /invert`: the latents of a picture over HTTP."""

import base64
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from mirage.bundle.format.manifest import Member
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.batching.queue import Array, Arrays
from mirage.service.settings import Settings
from mirage.service.telemetry.logging import CLIENT_LEFT
from mirage.service.versions.version import EngineRun
from tests.bundles import Toy, make_bundle, publish_toy
from tests.encoders import publish_encoded
from tests.service.helpers.leaving import ask
from tests.service.helpers.pictures import archive, encoded, form, noise
from tests.service.helpers.requests import pixels, post, problem, settle
from tests.upscalers import make_upscaler

Serving = Callable[..., TestClient]
TOY = Toy(labels=("cat", "dog", "cow"))
FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """toy: 1 with an encoder, 2 without; plain and rgba: without classes; all: an ensemble."""
    root = tmp_path_factory.mktemp("invertible")
    publish_encoded(root, TOY)
    publish_toy(root, TOY)
    make_bundle(root, "rgba", labels=(), channels=4)
    make_bundle(root, "both")
    make_bundle(root, "both", seed=1)
    publish_ensemble(root, "both", [Member(version=1, weight=1), Member(version=2, weight=1)])
    publish_toy(root, Toy(labels=(), latent_dim=1025, strengths=()), "large")
    make_upscaler(root)
    for path in sorted(Path(root).iterdir()):
        release(root, path.name, 1)
    return Settings(models=root, default_model="toy", threads=1, encode_threads=1)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def serving(settings: Settings) -> Iterator[Serving]:
    """Clients of applications with other settings, each started and stopped."""
    clients: list[TestClient] = []

    def start(**changes: object) -> TestClient:
        app = create_app(settings.model_copy(update=changes))
        clients.append(client := TestClient(app, raise_server_exceptions=False))
        return client.__enter__()

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def drawn(client: TestClient, **fields: Any) -> np.ndarray:
    """An image of the service."""
    return pixels(post(client, **fields))


def invert(client: TestClient, body: bytes, accept: str = "*/*", **query: object) -> Any:
    return client.post("/invert", content=body, params=query, headers={"accept": accept})  # type: ignore[arg-type]


def told(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize("version", [1, 2])
def test_images_of_the_model_are_found_again(client: TestClient, version: int) -> None:
    picture = drawn(client, seed=5, labels="cow", version=version)
    response = invert(client, encoded(picture), version=version)
    found = told(response)
    assert (found["model"], found["version"]) == ("toy", version)
    assert (found["label"], found["class"]) == (2, "cow")
    assert found["error"] < 0.01
    assert 0 <= found["typical_error"] < 0.01
    assert np.array(found["latents"]).shape == (1, 5)
    assert response.headers["x-model"] == f"toy@{version}"
    assert response.headers["x-label"] == "2"
    assert response.headers["content-type"] == "application/json"


def test_the_latents_make_the_image_again_and_directions_move_it(client: TestClient) -> None:
    found = told(invert(client, encoded(drawn(client, seed=8, labels=1))))
    again = {"latents": found["latents"], "labels": found["label"], "version": found["version"]}
    image = drawn(client, **again)
    with Image.open(io.BytesIO(base64.b64decode(found["png"]))) as png:
        np.testing.assert_array_equal(image, np.asarray(png))
    moved = drawn(client, **again, directions={"0": 2.0})
    latents = np.array(found["latents"], np.float32)
    latents[0, 0] += 2
    np.testing.assert_array_equal(moved, TOY.images(latents, np.array([1]))[0, :, :, 0])


def test_equal_pictures_give_equal_bytes(client: TestClient, serving: Serving) -> None:
    body = encoded(noise(30, 40))
    first = invert(client, body)
    others = [invert(client, body), invert(serving(max_batch_size=3), body)]
    assert first.status_code == 200
    assert [other.content for other in others] == [first.content] * 2


def test_an_encoder_takes_fewer_images(client: TestClient) -> None:
    body = encoded(noise(8, 12))
    assert told(invert(client, body))["images"] == 1 + 4 * 13
    assert told(invert(client, body, iterations=2))["images"] == 1 + 2 * 13
    assert told(invert(client, body, version=2, iterations=2))["images"] == 3 * 4 + 2 * 13
    assert told(invert(client, body, version=2, label=0, iterations=1))["images"] == 13 + 13


def test_a_label_is_a_name_or_an_index(client: TestClient) -> None:
    body = encoded(noise(8, 12))
    assert [told(invert(client, body, label=label))["class"] for label in ("dog", "1")] == [
        "dog",
        "dog",
    ]
    found = problem(invert(client, body, label="bird"), 422, "invalid-value")
    assert found["errors"][0]["loc"] == ["label"]
    assert "label is 'bird'" in found["detail"]
    found = problem(invert(client, body, model="rgba", label="0"), 422, "invalid-value")
    assert "label is given; rgba has no classes" in found["detail"]


def test_transparency_is_inverted_where_the_model_has_it(client: TestClient) -> None:
    picture = drawn(client, model="rgba", seed=3)
    found = told(invert(client, encoded(picture), model="rgba"))
    assert found["label"] is None
    assert found["error"] < 0.02
    grey = told(invert(client, encoded(noise(8, 12)), model="rgba"))
    assert grey["error"] > found["error"]


def test_pictures_of_any_size_and_kind_are_fitted(client: TestClient) -> None:
    for body in (encoded(noise(100, 30, 3), "JPEG"), encoded(noise(3, 5, 4), "WEBP")):
        assert len(told(invert(client, body))["latents"][0]) == 5


def test_a_form_takes_the_parameters_as_fields(client: TestClient) -> None:
    picture = encoded(noise(8, 12))
    parts = (
        ('Content-Disposition: form-data; name="picture"; filename="a.png"', picture),
        ('Content-Disposition: form-data; name="label"', b"dog"),
    )
    sent = client.post("/invert", content=form("b", *parts), headers={"content-type": FORM})
    assert told(sent) == told(invert(client, picture, label="dog"))


def test_png_is_the_image_and_a_zip_has_everything(client: TestClient) -> None:
    body = encoded(drawn(client, seed=1, labels=0))
    found = told(invert(client, body))
    png = invert(client, body, "image/png")
    assert png.content == base64.b64decode(found["png"])
    assert float(png.headers["x-error"]) == pytest.approx(found["error"], abs=1e-6)
    assert float(png.headers["x-typical-error"]) == pytest.approx(found["typical_error"], abs=1e-6)
    with zipfile.ZipFile(io.BytesIO(invert(client, body, "application/zip").content)) as file:
        assert file.read("reconstruction.png") == png.content
        latents = np.load(io.BytesIO(file.read("latents.npy")), allow_pickle=False)
        np.testing.assert_array_equal(latents, np.array(found["latents"], np.float32))
        rest = {name: value for name, value in found.items() if name != "png"}
        assert json.loads(file.read("inversion.json")) == rest
    problem(invert(client, body, "image/webp"), 406, "not-acceptable")


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"", 400, "malformed-request"),
        (b"no picture", 400, "malformed-request"),
        (b"GIF89a", 415, "unsupported-body-type"),
    ],
)
def test_what_is_no_picture_is_refused(
    client: TestClient, body: bytes, status: int, slug: str
) -> None:
    assert problem(invert(client, body), status, slug)


def test_a_zip_is_refused(client: TestClient) -> None:
    zipped = {"content-type": "application/zip"}
    sent = client.post("/invert", content=archive(a_png=encoded(noise(8, 12))), headers=zipped)
    assert "a single picture" in problem(sent, 415, "unsupported-body-type")["detail"]


@pytest.mark.parametrize(
    ("query", "status", "slug", "named"),
    [
        ({"model": "none"}, 404, "no-such-model", "none"),
        ({"model": "larger"}, 422, "invalid-value", "larger"),
        ({"model": "both", "version": 3}, 422, "invalid-value", "is an ensemble"),
        ({"model": "large"}, 422, "limit-exceeded", "at most 1024 is allowed"),
        ({"iterations": 33}, 422, "invalid-value", "iterations"),
        ({"colour": "red"}, 422, "invalid-value", "colour"),
    ],
)
def test_what_cannot_be_inverted_is_refused(
    client: TestClient, query: dict[str, object], status: int, slug: str, named: str
) -> None:
    found = problem(invert(client, encoded(noise(8, 12)), **query), status, slug)
    assert named in found["detail"]


def test_pictures_over_the_limits_are_refused(serving: Serving) -> None:
    small = serving(picture_megapixels=0.0001, picture_bytes=2000)
    assert problem(invert(small, encoded(noise(20, 20))), 422, "limit-exceeded")
    assert problem(invert(small, bytes(3000)), 413, "body-too-large")


def test_it_counts_as_the_images_that_it_makes(serving: Serving) -> None:
    body = encoded(noise(8, 12))
    limited = serving(images_per_minute=100)
    assert told(invert(limited, body))["images"] == 53
    found = problem(invert(limited, body), 429, "rate-limited")
    assert "53 images are over the limit of 100 per minute" in found["detail"]
    assert problem(invert(limited, body, iterations=8), 422, "limit-exceeded")
    problem(invert(limited, b"no picture"), 400, "malformed-request")
    assert told(invert(limited, body, iterations=2))["images"] == 27  # nothing was charged for it


def test_a_deadline_that_has_passed_is_told(client: TestClient) -> None:
    headers = {"x-deadline-ms": "1"}
    sent = client.post("/invert", content=encoded(noise(2000, 2000)), headers=headers)
    assert sent.status_code in (429, 504)


def test_what_the_time_of_a_request_suffices_for_is_kept_for_the_next(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request inverts the model's own images, too. Here, time is counted in images."""
    run, left = EngineRun.__call__, 0

    def run_in_time(runner: EngineRun, arrays: Arrays) -> Array:
        nonlocal left
        left -= len(arrays[0])
        if left < 0:
            raise TimeoutError("no time is left")
        return run(runner, arrays)

    monkeypatch.setattr(EngineRun, "__call__", run_in_time)
    client, answers = serving(), []
    for _ in range(5):
        left = 60  # an inversion makes 53 images, those of the model itself one more
        answers.append(invert(client, encoded(noise(8, 12))))
    assert [answer.status_code for answer in answers] == [500, 500, 500, 200, 200]
    left = 1000
    assert answers[-1].content == invert(serving(), encoded(noise(8, 12))).content


def test_pictures_of_clients_who_have_left_are_not_inverted(serving: Serving) -> None:
    client = serving()
    messages = ask(client, encoded(noise(8, 12)), path="/invert", leaves_after=0)
    assert messages[0]["status"] == CLIENT_LEFT
    settle(client)
    assert 'mirage_images_total{model="toy",version="1"} 0.0' in client.get("/metrics").text


def test_answers_are_counted_in_the_metrics(serving: Serving) -> None:
    client = serving()
    told(invert(client, encoded(noise(8, 12))))
    settle(client)
    metrics = client.get("/metrics").text
    assert 'mirage_images_total{model="toy",version="1"} 53.0' in metrics


def test_the_openapi_document_describes_it(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/invert"]["post"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"model", "version", "label", "iterations", "X-Deadline-Ms"} <= names
    assert set(operation["requestBody"]["content"]) >= {"image/png", "multipart/form-data"}
    assert set(operation["responses"]["200"]["content"]) == {
        "application/json",
        "application/zip",
        "image/png",
    }
