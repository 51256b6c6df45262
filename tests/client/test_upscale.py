"""Enlarging pictures with both clients, against the real service on a real socket."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest

from mirage.client import AsyncClient, BadAnswer, Client, Refused, Unreachable, Upscaled
from tests.client.pictures.files import decoded, encoded, enlarged, files, pixels
from tests.client.servers import Answer, Proxy

PICTURE = pixels(9, 13)
WHOLE = encoded(pixels(2, 2))
HEADERS = {"x-model": "larger@1", "x-scale": "2"}
TRY_NOW = {"retry-after": "0"}


def test_returns_the_picture_that_the_model_makes(client: Client) -> None:
    large = client.upscale(encoded(PICTURE))
    assert np.array_equal(large.array(), enlarged(PICTURE))
    assert (large.model, large.version, large.scale) == ("larger", 1, 2.0)


def test_takes_bytes_paths_and_files(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(PICTURE))
    expected = client.upscale(encoded(PICTURE))
    assert client.upscale(path) == expected
    assert client.upscale(str(path)) == expected
    assert client.upscale(bytearray(path.read_bytes())) == expected
    assert client.upscale(io.BytesIO(encoded(PICTURE))) == expected


def test_sends_all_options(client: Client, proxy: Proxy) -> None:
    large = client.upscale(encoded(PICTURE), scale=1.5, model="larger", version=1)
    assert large.scale == 1.5
    assert large.pil().size == (20, 14)
    assert proxy.requests[0].headers["accept"] == "image/png"


def test_an_unknown_option_is_an_error(client: Client) -> None:
    with pytest.raises(TypeError, match="factor is not an option; allowed are scale, model"):
        client.upscale(WHOLE, factor=2)  # type: ignore[call-arg]


def test_writes_a_file_with_the_same_bytes(client: Client, tmp_path: Path) -> None:
    large = pixels(200, 90)  # of several rows of tiles, so that the server streams it
    how = client.upscale_to_file(encoded(large), tmp_path / "a.png")
    assert how == Upscaled("larger", 1, 2.0)
    assert files(tmp_path) == {"a.png": client.upscale(encoded(large)).png}
    made = decoded((tmp_path / "a.png").read_bytes())
    assert np.abs(made.astype(int) - enlarged(large)).max() <= 1  # rounding in float32


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retries_while_the_server_is_busy(
    client: Client, proxy: Proxy, tmp_path: Path, status: int
) -> None:
    proxy.answers = [Answer(status, TRY_NOW, b"busy"), Answer(200, HEADERS, WHOLE[:9], lost=True)]
    client.upscale_to_file(encoded(PICTURE), tmp_path / "a.png")
    assert np.array_equal(decoded((tmp_path / "a.png").read_bytes()), enlarged(PICTURE))
    assert [asked.body for asked in proxy.requests] == [encoded(PICTURE)] * 3


def test_a_rejected_picture_leaves_no_file(client: Client, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        client.upscale_to_file(b"no picture", tmp_path / "a.png")
    assert (caught.value.status, caught.value.slug) == (400, "malformed-request")
    with pytest.raises(Refused, match="scale is 3; larger@1 enlarges 2 times"):
        client.upscale(WHOLE, scale=3)
    with pytest.raises(Refused, match="404"):
        client.upscale(WHOLE, model="gone")
    assert files(tmp_path) == {}


def test_a_response_that_breaks_off_leaves_no_file(url: str, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"before")
    proxy.answers = [Answer(200, HEADERS, WHOLE[:-1], lost=True)]
    with Client(url, patience_s=0) as client, pytest.raises(Unreachable):
        client.upscale_to_file(WHOLE, tmp_path / "a.png")
    assert files(tmp_path) == {"a.png": b"before"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, HEADERS, WHOLE[:-1]), "truncated"),
        (Answer(200, HEADERS, b"<html>"), "not PNG"),
        (Answer(200, HEADERS, b""), "not PNG"),
        (Answer(200, {}, WHOLE), "headers of the enlarged picture"),
        (Answer(200, {**HEADERS, "x-scale": "much"}, WHOLE), "headers of the enlarged picture"),
    ],
)
def test_an_invalid_response_is_an_error(
    client: Client, proxy: Proxy, tmp_path: Path, answer: Answer, message: str
) -> None:
    proxy.answers = [answer, answer]
    with pytest.raises(BadAnswer, match=message):
        client.upscale(WHOLE)
    with pytest.raises(BadAnswer, match=message):
        client.upscale_to_file(WHOLE, tmp_path / "a.png")
    assert files(tmp_path) == {}


def test_the_asyncio_client_does_the_same(client: Client, url: str, tmp_path: Path) -> None:
    async def enlarge() -> None:
        async with AsyncClient(url) as other:
            assert await other.upscale(encoded(PICTURE)) == client.upscale(encoded(PICTURE))
            large = encoded(pixels(200, 90))
            await other.upscale_to_file(large, tmp_path / "a.png", scale=2)
            assert (tmp_path / "a.png").read_bytes() == client.upscale(large).png
            with pytest.raises(Refused, match="400"):
                await other.upscale_to_file(b"no picture", tmp_path / "b.png")

    asyncio.run(enlarge())
    assert list(files(tmp_path)) == ["a.png"]


def test_generated_images_are_enlarged(client: Client) -> None:
    options = {"seed": 7, "labels": 1, "model": "named"}
    small = client.generate(2, **options)  # type: ignore[arg-type]
    large = client.generate(2, **options, upscale="larger")  # type: ignore[arg-type]
    for before, after in zip(small, large, strict=True):
        assert np.array_equal(after.array(), enlarged(before.array()))
        assert (before.upscale, after.upscale) == (None, "larger@1")


def test_all_pages_are_enlarged_by_the_same_version(client: Client, proxy: Proxy) -> None:
    client.generate(20, seed=7, model="named", upscale="larger")  # pages of 8
    assert [b'"upscale":"larger@1"' in asked.body for asked in proxy.requests] == [
        False,
        True,
        True,
    ]


def test_images_that_were_not_enlarged_are_an_error(client: Client, proxy: Proxy) -> None:
    body = (
        b"--x\r\nContent-Type: image/png\r\nX-Seed: 7\r\nX-Index: 0\r\n\r\n" + WHOLE + b"\r\n--x--"
    )
    headers = {"content-type": 'multipart/mixed; boundary="x"', "x-model": "named@1"}
    proxy.answers = [Answer(200, headers, body)]
    with pytest.raises(BadAnswer, match="enlarged by None"):
        client.generate(seed=7, model="named", upscale="larger")


def test_tells_which_models_enlarge(client: Client) -> None:
    models = {model.name: (model.task, model.scale) for model in client.models()}
    assert models["larger"] == ("upscale", 2)
    assert models["toy"] == ("generate", None)
    (version,) = client.model("larger").loaded
    assert (version.height, version.width, version.channels) == (None, None, None)
