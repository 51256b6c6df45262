"""Frames between points with both clients, against the real service on a real socket."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from mirage.client import AsyncClient, BadAnswer, Client, Interpolated, Refused, Unreachable
from mirage.client.interpolate_call import make_interpolate_call
from tests.client.pictures.files import encoded, enlarged, files, pixels
from tests.client.servers import Answer, Proxy

POINTS = [7, {"seed": 8, "index": 2}]
HEADERS = {"x-model": "named@1", "content-type": "application/zip"}


def zipped(*contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number:03}.png", content)
    return buffer.getvalue()


def test_frames_begin_and_end_with_the_points(client: Client) -> None:
    points = [{"seed": 7, "label": "cat"}, {"seed": 8, "index": 2, "label": "3"}]
    frames = client.interpolate(points, steps=4, model="named")
    assert len(frames) == 5
    ends = [
        client.generate(seed=7, labels="cat", model="named")[0],
        client.generate(seed=8, index=2, labels="3", model="named")[0],
    ]
    for frame, image in zip((frames[0], frames[-1]), ends, strict=True):
        assert np.array_equal(frame.array(), image.array())
    assert {(frame.model, frame.version, frame.upscale) for frame in frames} == {("named", 1, None)}


def test_frames_are_enlarged(client: Client) -> None:
    small = client.interpolate(POINTS, steps=2, model="named")
    large = client.interpolate(POINTS, steps=2, model="named", upscale="larger@1")
    for before, after in zip(small, large, strict=True):
        assert np.array_equal(after.array(), enlarged(before.array()))
        assert after.upscale == "larger@1"


def test_sends_all_options(client: Client, proxy: Proxy) -> None:
    latents = np.zeros(client.model("toy").loaded[0].latent_dim, np.float32)
    points = [{"latents": latents, "label": 3}, {"latents": latents + 1, "label": 4}]
    client.interpolate(points, steps=3, loop=True, duration_ms=40, model="toy", version=1)
    (asked,) = (request for request in proxy.requests if request.path == "/interpolate")
    assert json.loads(asked.body) == {
        "points": [{**point, "latents": point["latents"].tolist()} for point in points],
        "steps": 3,
        "loop": True,
        "duration_ms": 40,
        "model": "toy",
        "version": 1,
    }
    assert asked.headers["accept"] == "application/zip"


def test_seeds_may_be_scalars_of_numpy() -> None:
    call = make_interpolate_call(
        [np.int64(7), {"seed": np.uint64(8), "directions": {0: np.float32(1.5)}}],  # type: ignore[list-item]
        {"steps": np.int32(3)},  # type: ignore[typeddict-item]
    )
    points = [{"seed": 7}, {"seed": 8, "directions": {"0": 1.5}}]
    assert json.loads(json.dumps(call.body)) == {"points": points, "steps": 3}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.gif", "GIF"), ("a.WEBP", "WEBP"), ("a.png", "PNG"), ("a.apng", "PNG")],
)
def test_the_suffix_determines_the_kind_of_animation(
    client: Client, tmp_path: Path, name: str, kind: str
) -> None:
    how = client.interpolate_to_file(
        POINTS, tmp_path / name, steps=4, model="named", upscale="larger"
    )
    assert how == Interpolated("named", 1, "larger@1")
    with PIL.Image.open(tmp_path / name) as animation:
        assert (animation.format, getattr(animation, "n_frames", 1)) == (kind, 5)


def test_a_zip_has_the_same_frames(client: Client, tmp_path: Path) -> None:
    client.interpolate_to_file(POINTS, tmp_path / "a.zip", steps=40, model="named")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        found = [archive.read(name) for name in archive.namelist()]
    assert found == [frame.png for frame in client.interpolate(POINTS, steps=40, model="named")]


def test_unknown_options_and_suffixes_are_errors(client: Client, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="speed is not an option; allowed are steps, loop"):
        client.interpolate(POINTS, speed=2)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"suffix of .*a\.mp4 is '\.mp4'; allowed are \.zip"):
        client.interpolate_to_file(POINTS, tmp_path / "a.mp4")
    assert files(tmp_path) == {}


def test_a_rejected_or_incomplete_answer_leaves_no_file(
    url: str, proxy: Proxy, tmp_path: Path
) -> None:
    with Client(url, patience_s=0) as client:
        with pytest.raises(Refused, match="404"):
            client.interpolate_to_file(POINTS, tmp_path / "a.zip", upscale="gone")
        proxy.answers = [Answer(200, HEADERS, zipped(b"")[:9], lost=True)]
        with pytest.raises(Unreachable):
            client.interpolate_to_file(POINTS, tmp_path / "a.zip")
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, HEADERS, zipped(encoded(pixels(2, 2)))[:-5]), "frames cannot be read"),
        (Answer(200, HEADERS, zipped(b"GIF89a")), "not PNG"),
        (Answer(200, {**HEADERS, "content-type": "text/html"}, b"<html>"), "text/html"),
        (Answer(200, {"content-type": "application/zip"}, zipped()), "headers of the frames"),
        (Answer(200, {**HEADERS, "x-upscale": "larger@1"}, zipped()), "enlarged by larger@1"),
    ],
)
def test_an_invalid_answer_is_an_error(
    client: Client, proxy: Proxy, answer: Answer, message: str
) -> None:
    proxy.answers = [answer]
    with pytest.raises(BadAnswer, match=message):
        client.interpolate(POINTS)


def test_the_asyncio_client_does_the_same(client: Client, url: str, tmp_path: Path) -> None:
    async def interpolate() -> None:
        async with AsyncClient(url) as other:
            frames = await other.interpolate(POINTS, steps=2, model="named", upscale="larger")
            assert frames == client.interpolate(POINTS, steps=2, model="named", upscale="larger")
            await other.interpolate_to_file(POINTS, tmp_path / "a.gif", steps=2, model="named")

    asyncio.run(interpolate())
    assert list(files(tmp_path)) == ["a.gif"]
