"""Which model enlarges a picture, what is refused, and how large answers are sent."""

import io
import json
import threading
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from mirage.bundle.store.release import Canary, release
from mirage.service.api.pictures import archive
from mirage.service.api.pictures import enlarge as enlarge_stage
from mirage.service.app import create_app
from mirage.service.batching.batch_runner import BatchRunner
from mirage.service.batching.batcher import Batcher
from mirage.service.errors import InternalError
from mirage.service.settings import Settings
from mirage.service.telemetry.logging import CLIENT_LEFT
from tests.service.api.pictures.conftest import Serving
from tests.service.helpers.leaving import ask
from tests.service.helpers.pictures import encoded, enlarge, noise, zipped
from tests.service.helpers.requests import pixels, problem
from tests.upscalers import ToyUpscaler, make_upscaler


@pytest.mark.parametrize(
    ("query", "status", "slug", "words"),
    [
        ({"scale": 2.5}, 422, "invalid-value", "scale is 2.5; larger@1 enlarges 2 times"),
        ({"scale": 2.0000001}, 422, "invalid-value", "scale is 2.0000001; larger@1"),
        ({"scale": 0.5}, 422, "invalid-value", "scale is"),
        ({"scale": "inf"}, 422, "invalid-value", "scale is"),
        ({"version": 0}, 422, "invalid-value", "version is"),
        ({"version": 7}, 404, "no-such-model", "1, 2"),
        ({"model": "unknown"}, 404, "no-such-model", "larger"),
        ({"model": "toy"}, 422, "invalid-value", "POST /generate"),
        ({"model": ""}, 422, "invalid-value", "model is"),
        ({"zoom": 2}, 422, "invalid-value", "allowed are model, version, scale"),
    ],
)
def test_bad_parameters_are_named(
    upscaler: TestClient, query: dict[str, object], status: int, slug: str, words: str
) -> None:
    assert (
        words
        in problem(enlarge(upscaler, encoded(noise(4, 4, 3)), **query), status, slug)["detail"]
    )


@pytest.mark.parametrize("path", ["/upscale", "/translate", "/invert", "/models/larger/card"])
def test_parameters_stand_once(upscaler: TestClient, path: str) -> None:
    method = "GET" if path.startswith("/models") else "POST"
    body = encoded(noise(4, 4, 3)) if method == "POST" else None
    response = upscaler.request(method, f"{path}?version=1&version=1", content=body)
    found = problem(response, 422, "invalid-value")["detail"]
    assert found == "query parameter 'version': it is given twice; once is allowed"


def test_routes_send_models_of_other_tasks_where_they_belong(upscaler: TestClient) -> None:
    for path, body in (
        ("/generate", {"model": "larger"}),
        ("/interpolate", {"model": "larger", "points": [{"seed": 1}, {"seed": 2}]}),
    ):
        found = problem(upscaler.post(path, json=body), 422, "invalid-value")["detail"]
        assert "whose task is upscale: use POST /upscale" in found
        assert "plain, toy" in found


def test_the_default_is_the_only_model_that_enlarges(tmp_path: Path) -> None:
    make_upscaler(tmp_path, "one")
    release(tmp_path, "one", 1)
    body = encoded(noise(4, 4, 3))
    with TestClient(create_app(Settings(models=tmp_path, threads=1))) as client:
        assert enlarge(client, body).headers["x-model"] == "one@1"
        assert client.get("/models").json()["models"][0]["default"]
        problem(client.post("/generate"), 404, "no-such-model")
    make_upscaler(tmp_path, "two")
    release(tmp_path, "two", 1)
    with TestClient(create_app(Settings(models=tmp_path, threads=1))) as client:
        assert (
            "name one of one, two" in problem(enlarge(client, body), 422, "invalid-value")["detail"]
        )


def test_a_canary_answers_for_a_share_of_the_pictures(tmp_path: Path) -> None:
    make_upscaler(tmp_path)
    make_upscaler(tmp_path, toy=ToyUpscaler(seed=1))
    release(tmp_path, "larger", 1, Canary(2, 0.5))
    with TestClient(create_app(Settings(models=tmp_path, threads=1))) as client:
        bodies = [encoded(noise(4, 4, 3, seed=n)) for n in range(30)]
        first, again = ([enlarge(client, b).headers["x-model"] for b in bodies] for _ in range(2))
        assert first == again
        assert set(first) == {"larger@1", "larger@2"}
        assert enlarge(client, bodies[0], version=1).headers["x-model"] == "larger@1"


def test_accept_decides_and_must_fit(upscaler: TestClient) -> None:
    body = encoded(noise(4, 4, 3))
    assert enlarge(upscaler, body, "image/*").headers["content-type"] == "image/png"
    for other in ("image/gif", "image/jpeg"):
        found = problem(enlarge(upscaler, body, other), 406, "not-acceptable")["detail"]
        assert f"'{other}'; for a picture allowed are image/png, image/webp" in found
    jpeg_first = enlarge(upscaler, body, "image/jpeg, image/webp;q=0.8")
    assert jpeg_first.headers["content-type"] == "image/webp"
    headers = {"content-type": "application/zip", "accept": "image/png"}
    sent = upscaler.post("/upscale", content=zipped({"a.png": body}), headers=headers)
    assert "application/zip" in problem(sent, 406, "not-acceptable")["detail"]


def test_limits_name_both_sizes(serving: Serving) -> None:
    client = serving(megapixels_per_request=0.04)
    found = problem(enlarge(client, encoded(noise(101, 100, 3))), 422, "limit-exceeded")["detail"]
    assert "100x101 pixels" in found
    assert "200x202" in found
    assert "at most 0.04" in found
    assert enlarge(client, encoded(noise(100, 100, 3))).status_code == 200
    long = enlarge(serving(), encoded(noise(1, 9000, 3)), "image/webp")
    assert "WebP holds 16383" in problem(long, 422, "limit-exceeded")["detail"]


def test_an_enlarged_picture_counts_as_an_image_for_each_megapixel(serving: Serving) -> None:
    client = serving(images_per_minute=3)
    assert enlarge(client, encoded(noise(600, 600, 3))).status_code == 200  # 1.44 megapixels
    found = problem(enlarge(client, encoded(noise(600, 600, 3))), 429, "rate-limited")
    assert "2 images" in found["detail"]
    assert enlarge(client, encoded(noise(6, 6, 3))).status_code == 200


def test_a_deadline_that_has_passed_is_told(upscaler: TestClient) -> None:
    headers = {"x-deadline-ms": "1"}
    body = encoded(noise(500, 500, 3))
    response = upscaler.post("/upscale", content=body, headers=headers)
    assert response.status_code in (429, 504)
    bad = upscaler.post("/upscale", content=body, headers={"x-deadline-ms": "soon"})
    problem(bad, 400, "malformed-request")


def test_pictures_that_take_too_much_memory_together_are_refused(serving: Serving) -> None:
    client = serving()
    assert isinstance(client.app, FastAPI)
    memory = client.app.state.service.picture_memory
    with memory.held(memory.held_bytes + 2**30):
        response = enlarge(client, encoded(noise(4, 4, 3)))
        assert "of pictures" in problem(response, 429, "queue-full")["detail"]
        assert response.headers["retry-after"]
    assert enlarge(client, encoded(noise(4, 4, 3))).status_code == 200
    assert memory.held_bytes == 0


@pytest.mark.parametrize("path", ["/upscale", "/translate", "/invert"])
def test_a_single_picture_may_take_more_memory_than_the_limit(serving: Serving, path: str) -> None:
    model = {"/upscale": "larger", "/translate": "styled", "/invert": "toy"}[path]
    client = serving(picture_memory_bytes=2**10, default_model=model)
    body = encoded(noise(40, 40, 3))
    assert len(body) < 40 * 40 * 4
    assert client.post(path, content=body).status_code == 200
    if path == "/upscale":
        assert client.post(path, content=zipped({"a.png": body})).status_code == 200


def test_large_pngs_are_sent_while_they_are_made(upscaler: TestClient) -> None:
    messages = ask(upscaler, encoded(noise(400, 300, 3)))
    assert messages[0]["status"] == 200
    assert b"content-length" not in dict(messages[0]["headers"])
    assert len(messages) > 3
    body = b"".join(message.get("body", b"") for message in messages)
    assert body == enlarge(upscaler, encoded(noise(400, 300, 3))).content


def test_resized_pngs_and_those_on_their_side_are_sent_while_they_are_made(
    upscaler: TestClient,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(noise(60, 400, 3), exif=exif)  # 400 rows when upright
    assert len(ask(upscaler, turned)) > 3
    resized = ask(upscaler, encoded(noise(400, 300, 3)), query=b"scale=1.5")
    assert len(resized) > 3
    body = b"".join(message.get("body", b"") for message in resized)
    assert body == enlarge(upscaler, encoded(noise(400, 300, 3)), scale=1.5).content


@pytest.mark.parametrize("compression", ["none", "small"])
def test_pngs_are_compressed_as_set(
    upscaler: TestClient, serving: Serving, compression: str
) -> None:
    slope = np.add.outer(np.arange(200), np.arange(90))[:, :, None] * [1, 2, 1]
    body = encoded(slope.astype(np.uint8))
    other = serving(compression=compression)
    for scale in (1.5, 2):
        fast, found = (enlarge(client, body, scale=scale) for client in (upscaler, other))
        np.testing.assert_array_equal(pixels(fast), pixels(found))
        assert (len(found.content) < len(fast.content)) == (compression == "small")
    headers = {"content-type": "application/zip"}
    sent = other.post("/upscale", content=zipped({"a.png": body}), headers=headers)
    with zipfile.ZipFile(io.BytesIO(sent.content)) as answer:
        assert answer.read("a.png") == enlarge(other, body).content


def test_a_tile_that_fails_after_the_head_does_not_look_like_an_end(
    upscaler: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Batcher.stream

    async def cut_off(self: Batcher, *arguments: Any) -> Any:
        async for part in whole(self, *arguments):
            yield part
            raise InternalError("the images could not be made")

    monkeypatch.setattr(Batcher, "stream", cut_off)
    messages = ask(upscaler, encoded(noise(400, 300, 3)))
    assert messages[0]["status"] == 200
    assert all(message.get("more_body", True) for message in messages)
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == [
        "answer is incomplete: internal-error"
    ]


@pytest.mark.parametrize(
    ("stage", "name"), [(archive, "measure"), (enlarge_stage, "decode_picture")]
)
def test_an_entry_with_an_unexpected_fault_fails_alone(
    upscaler: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stage: ModuleType,
    name: str,
) -> None:
    whole, faults = getattr(stage, name), iter([OverflowError("of infinity")])

    def once(*arguments: Any, **options: Any) -> Any:
        for fault in faults:
            raise fault
        return whole(*arguments, **options)

    monkeypatch.setattr(stage, name, once)
    body = zipped({name: encoded(noise(4, 4, 3)) for name in ("a.png", "b.png")})
    headers = {"content-type": "application/zip"}
    sent = upscaler.post("/upscale", content=body, headers=headers)
    with zipfile.ZipFile(io.BytesIO(sent.content)) as answer:
        assert answer.namelist() == ["b.png", "errors.json"]
        (error,) = json.loads(answer.read("errors.json"))["errors"]
    assert (error["name"], error["status"]) == ("a.png", 500)
    assert "infinity" not in error["detail"]
    assert "of infinity" in caplog.text


def test_tiles_of_a_client_who_leaves_are_not_made(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serving()
    batches = []
    run = BatchRunner.run_batch

    def noted(self: BatchRunner, slices: Any) -> Any:
        batches.append(len(slices))
        return run(self, slices)

    monkeypatch.setattr(BatchRunner, "run_batch", noted)
    body = encoded(noise(1000, 1000, 3))  # 289 tiles
    ask(client, body, leaves_after=2)
    assert isinstance(client.app, FastAPI)
    service = client.app.state.service
    (served,) = service.models.loaded("larger")[:1]
    assert enlarge(client, encoded(noise(4, 4, 3))).status_code == 200
    assert len(batches) < 150
    assert service.picture_memory.held_bytes == 0
    assert served.running_s() == 0
    assert "mirage_abandoned_total 1.0" in client.get("/metrics").text


def test_pictures_of_clients_who_leave_while_they_wait_are_not_looked_at(
    upscaler: TestClient,
) -> None:
    assert isinstance(upscaler.app, FastAPI)
    done = threading.Event()
    # The only encoding thread is busy, so the answer comes only if nothing waits for it.
    upscaler.app.state.service.encoders.submit(done.wait)
    try:
        messages = ask(upscaler, encoded(noise(8, 8, 3)), leaves_after=0)
    finally:
        done.set()
    assert messages[0]["status"] == CLIENT_LEFT


def test_an_archive_that_is_not_read_in_time_gets_504(
    upscaler: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    monkeypatch.setattr(archive, "measure", lambda *_: done.wait())
    body = zipped({"a.png": encoded(noise(4, 4, 3))})
    headers = {"x-deadline-ms": "400", "content-type": "application/zip"}
    try:
        problem(upscaler.post("/upscale", content=body, headers=headers), 504, "deadline-passed")
    finally:
        done.set()
