"""POST /interpolate, whole and streamed."""

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from mirage.service.api import interpolate
from mirage.service.api.content.negotiation import FRAMES_TYPES
from mirage.service.api.interpolate import InterpolateCall
from mirage.service.app import create_app
from mirage.service.batching.batcher import Batcher
from mirage.service.batching.queue import EntryResult
from mirage.service.errors import InternalError
from mirage.service.media.encoding import ZIP, Compression, encode_png
from tests.service.conftest import ClientOf
from tests.service.helpers.leaving import ask
from tests.service.helpers.requests import post, problem

SEEDS = [{"seed": 7, "label": 1}, {"seed": 8, "label": 2}]


@pytest.fixture(scope="module")
def narrow(settings: Any) -> Iterator[TestClient]:
    """Batches of 4, so that a walk of more frames is streamed."""
    app = create_app(settings.model_copy(update={"max_batch_size": 4}))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def walk(client: TestClient, accept: str = ZIP, **fields: Any) -> Any:
    return client.post("/interpolate", json=fields, headers={"accept": accept})


def entries(response: Any) -> list[bytes]:
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        return [archive.read(name) for name in archive.namelist()]


def test_frames_at_points_are_the_images_of_generate(
    client: TestClient, narrow: TestClient
) -> None:
    seven, eight = (post(client, seed=s, labels=label).content for s, label in ((7, 1), (8, 2)))
    for server in (client, narrow):
        frames = entries(walk(server, points=SEEDS, steps=10))
        assert len(frames) == 11
        assert (frames[0], frames[10]) == (seven, eight)
        assert len(set(frames)) == 11


@pytest.mark.parametrize("most", [4, 32], ids=["streamed", "whole"])
@pytest.mark.parametrize("compression", ["none", "small"])
def test_frames_and_images_are_compressed_as_the_settings_say(
    client: TestClient, client_of: ClientOf, most: int, compression: Compression
) -> None:
    other = client_of(compression=compression, max_batch_size=most)
    frames = entries(walk(client, points=SEEDS, steps=10))
    expected = [encode_png(pixels_of(frame), compression) for frame in frames]
    assert entries(walk(other, points=SEEDS, steps=10)) == expected
    assert post(other, seed=7, labels=1).content == expected[0]


def pixels_of(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)[:, :, None]


def test_a_walk_is_the_same_bytes_streamed_and_whole(
    client: TestClient, narrow: TestClient
) -> None:
    fields = {"points": SEEDS, "steps": 25, "loop": True, "directions": {"0": 1}}
    whole, streamed = walk(client, **fields), walk(narrow, **fields)
    assert "content-length" not in streamed.headers
    assert streamed.headers["x-model"] == "toy@1"
    assert streamed.content == walk(narrow, **fields).content
    assert entries(streamed) == entries(whole)
    small = walk(client, points=SEEDS, steps=3)
    assert small.headers["server-timing"]
    assert small.content == walk(narrow, points=SEEDS, steps=3).content


@pytest.mark.parametrize("media", FRAMES_TYPES)
def test_every_type_is_given_and_repeats_itself(client: TestClient, media: str) -> None:
    fields = {"points": SEEDS, "steps": 5, "duration_ms": 120}
    response = walk(client, media, **fields)
    assert response.headers["content-type"] == media
    assert response.headers["vary"] == "Accept"
    assert response.content == walk(client, media, **fields).content
    if media != ZIP:
        with Image.open(io.BytesIO(response.content)) as picture:
            assert (picture.size, picture.n_frames) == ((12, 8), 6)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("accept", "media"),
    [("*/*", ZIP), ("image/*", "image/gif"), ("image/webp, image/gif;q=0.5", "image/webp")],
)
def test_the_type_follows_accept(client: TestClient, accept: str, media: str) -> None:
    response = walk(client, accept, points=SEEDS, steps=2)
    assert response.headers["content-type"] == media


def test_nothing_acceptable_is_refused(client: TestClient) -> None:
    found = problem(walk(client, "image/png", points=SEEDS), 406, "not-acceptable")
    assert "application/zip, image/gif, image/apng, image/webp" in found["detail"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "points is absent"),
        ({"points": []}, "points is a list of 0"),
        ({"points": SEEDS[:1]}, "points is a list of 1"),
        ({"points": [{"sed": 1}, {"seed": 2}]}, "points[0].sed is no field; allowed are seed, "),
        ({"points": [{"seed": -1}, {"seed": 2}]}, "points[0].seed is -1"),
        ({"points": [{"seed": 1, "label": 1.5}, {"seed": 2}]}, "points[0].label is 1.5"),
        ({"points": SEEDS, "steps": 0}, "steps is 0"),
        ({"points": SEEDS, "duration_ms": 10}, "duration_ms is 10"),
        ({"points": SEEDS, "speed": 1}, "speed is no field; allowed are points, steps"),
        ({"points": SEEDS, "truncation": 2}, "truncation is 2"),
    ],
)
def test_a_bad_field_is_named(client: TestClient, fields: dict[str, Any], named: str) -> None:
    assert named in problem(walk(client, **fields), 422, "invalid-value")["detail"]


def test_only_json_without_a_query_is_taken(client: TestClient) -> None:
    octets = {"content-type": "application/octet-stream"}
    response = client.post("/interpolate", content=b"1234", headers=octets)
    assert (
        "allowed are application/json" in problem(response, 415, "unsupported-body-type")["detail"]
    )
    problem(client.post("/interpolate?steps=3", json={"points": SEEDS}), 422, "invalid-value")
    problem(client.post("/interpolate", content=b"{"), 415, "unsupported-body-type")


def test_a_long_walk_is_admitted_whole_or_refused_with_its_status(client_of: ClientOf) -> None:
    client = client_of(max_batch_size=4, queue_images=10)
    problem(walk(client, points=SEEDS, steps=20), 429, "queue-full")
    assert len(entries(walk(client, points=SEEDS, steps=9))) == 10


def test_frames_count_in_the_metrics(client_of: ClientOf) -> None:
    client = client_of(max_batch_size=4)
    walk(client, points=SEEDS, steps=2)
    walk(client, points=SEEDS, steps=20)
    text = client.get("/metrics").text
    assert 'mirage_images_total{model="toy",version="1"} 24.0' in text
    assert 'mirage_encode_duration_seconds_count{model="toy",version="1"} 2.0' in text


def test_what_fails_after_the_first_frames_does_not_look_like_an_end(
    narrow: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Batcher.stream

    async def cut_off(self: Batcher, *arguments: Any) -> Any:
        async for part in whole(self, *arguments):
            yield part
            raise InternalError("the images could not be made")

    monkeypatch.setattr(Batcher, "stream", cut_off)
    body = b'{"points": [{"seed": 7}, {"seed": 8}], "steps": 20}'
    messages = ask(narrow, body, path="/interpolate", kind=b"application/json")
    assert messages[0]["status"] == 200
    assert all(message.get("more_body", True) for message in messages)
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(m.get("body", b"") for m in messages)))


def test_the_time_that_a_client_takes_to_read_is_not_taken_from_enlarging(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, part, deadlines = [0.0], EntryResult(np.empty(0), 0.0, 0.0), []

    async def made(*_: object) -> AsyncGenerator[EntryResult]:
        for _part in range(3):
            yield part

    async def enlarge(frames: EntryResult) -> EntryResult:
        deadlines.append(upscaler.deadline)
        now[0] += 1
        return frames

    async def read_slowly() -> None:
        async for _ in call.stream():
            now[0] += 100

    monkeypatch.setattr(interpolate, "time", SimpleNamespace(monotonic=lambda: now[0]))
    upscaler: Any = SimpleNamespace(deadline=30.0, enlarge=enlarge)
    given: Any = SimpleNamespace(stream=made)
    call = InterpolateCall(given, given, given, given, 30.0, upscaler)
    asyncio.run(read_slowly())
    assert deadlines == [30.0, 130.0, 230.0]
