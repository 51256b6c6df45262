"""Larger pictures: the same bytes whatever the tiles are, and what of a file is kept."""

import io
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.service.api.pictures.conftest import Serving
from tests.service.helpers.pictures import encoded, enlarge, noise, zipped
from tests.service.helpers.requests import pixels, problem
from tests.upscalers import ToyUpscaler

SIZES = ((1, 1), (1, 2), (7, 5), (2, 65), (64, 64), (65, 63), (70, 200), (257, 129), (513, 257))
FIRST = ToyUpscaler()


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal but for the rounding of float32: at most one grey level, and hardly ever."""
    difference = np.abs(found.astype(int) - expected)
    return bool(
        found.shape == expected.shape and difference.max() <= 1 and difference.mean() < 1e-3
    )


@pytest.mark.parametrize("tile", [128, 256, 1024])
def test_tiles_of_all_sizes_and_none_make_the_same_bytes(
    upscaler: TestClient, serving: Serving, tile: int
) -> None:
    other = serving(tile=tile)
    for size in SIZES:
        for channels in (3, 4):
            body = encoded(noise(*size, channels))
            first, second = enlarge(upscaler, body), enlarge(other, body)
            assert first.status_code == second.status_code == 200
            assert first.content == second.content, (size, channels)


def test_pixels_are_those_of_the_model(upscaler: TestClient) -> None:
    for size in SIZES:
        picture = noise(*size, 3)
        response = enlarge(upscaler, encoded(picture))
        assert close(pixels(response), FIRST.images(picture[None])[0])
        assert response.headers["x-model"] == "larger@1"
        assert response.headers["x-scale"] == "2"


def test_a_crowd_gets_the_bytes_of_each_alone(upscaler: TestClient) -> None:
    bodies = [encoded(noise(*size, 3, seed=n)) for n, size in enumerate(SIZES * 3)]
    alone = [enlarge(upscaler, body).content for body in bodies]
    with ThreadPoolExecutor(len(bodies)) as pool:
        crowd = list(pool.map(lambda body: enlarge(upscaler, body).content, bodies))
    assert crowd == alone


def test_pictures_of_one_size_share_a_batch(serving: Serving) -> None:
    client = serving(linger_ms=0)
    bodies = zipped({f"{n}.png": encoded(noise(8, 8, 3, seed=n)) for n in range(40)})
    sent = client.post("/upscale", content=bodies, headers={"content-type": "application/zip"})
    assert len(zipfile.ZipFile(io.BytesIO(sent.content)).namelist()) == 40
    text = client.get("/metrics").text
    labels = 'model="larger",version="1"'
    assert f"mirage_images_total{{{labels}}} 40.0" in text
    batches = re.search(rf"mirage_batch_images_count{{{labels}}} (\d+)", text)
    assert batches is not None
    assert int(batches[1]) < 40


@pytest.mark.parametrize("size", [(9, 7), (150, 90)])
def test_alpha_goes_through_the_model_and_flat_areas_stay_exact(
    upscaler: TestClient, size: tuple[int, int]
) -> None:
    picture = noise(*size, 4)
    picture[: size[0] // 2, :, 3] = 0
    picture[size[0] // 2 :, : size[1] // 2, 3] = 255
    found = pixels(enlarge(upscaler, encoded(picture)))
    assert found.shape == (2 * size[0], 2 * size[1], 4)
    edge = size[0] // 2
    assert (found[: 2 * (edge - 1), :, 3] == 0).all()
    assert (found[2 * (edge + 1) :, : 2 * (size[1] // 2 - 1), 3] == 255).all()


def test_colours_of_transparent_pixels_do_not_show(upscaler: TestClient) -> None:
    picture = np.zeros((40, 40, 4), np.uint8)
    picture[10:30, 10:30] = (200, 100, 50, 255)
    other = picture.copy()
    other[picture[:, :, 3] == 0] = (9, 250, 3, 0)
    one, two = (pixels(enlarge(upscaler, encoded(each))) for each in (picture, other))
    np.testing.assert_array_equal(one, two)


def test_grey_stays_grey(upscaler: TestClient) -> None:
    picture = noise(30, 40)
    found = pixels(enlarge(upscaler, encoded(picture)))
    whole = FIRST.images(np.stack([picture] * 3, -1)[None])[0].astype(int)
    assert close(found, (whole.sum(axis=2) + 1) // 3)


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        (encoded(noise(6, 4, 3), mode="P"), "RGB"),
        (encoded(noise(6, 4, 3), mode="P", transparency=3), "RGBA"),
        (encoded(noise(6, 4), mode="1"), "L"),
        (encoded(noise(6, 4, 2)), "LA"),
        (encoded(np.full((6, 4), 40_000, np.uint16)), "L"),
        (encoded(noise(6, 4, 3), "JPEG"), "RGB"),
        (encoded(noise(6, 4, 4), "WEBP", lossless=True), "RGBA"),
    ],
)
def test_kinds_of_pictures_become_grey_or_rgb_with_or_without_alpha(
    upscaler: TestClient, body: bytes, mode: str
) -> None:
    with Image.open(io.BytesIO(enlarge(upscaler, body).content)) as image:
        assert (image.mode, image.size) == (mode, (8, 12))


def test_orientation_is_applied_the_profile_kept_and_all_else_dropped(
    upscaler: TestClient,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "somebody's camera"
    picture = noise(20, 30, 3)
    body = encoded(picture, exif=exif, icc_profile=b"a profile")
    response = enlarge(upscaler, body)
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.size == (40, 60)
        assert image.info == {"icc_profile": b"a profile"}
    assert close(pixels(response), FIRST.images(np.rot90(picture, -1)[None])[0])
    assert b"camera" not in response.content
    webp = enlarge(upscaler, body, "image/webp").content
    with Image.open(io.BytesIO(webp)) as image:
        assert image.info["icc_profile"] == b"a profile"
        assert not image.getexif()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_webp_has_the_pixels_of_png(upscaler: TestClient, channels: int) -> None:
    picture = noise(70, 80, channels)
    body = encoded(picture[:, :, 0] if channels == 1 else picture)
    png, webp = enlarge(upscaler, body), enlarge(upscaler, body, "image/webp")
    assert webp.headers["content-type"] == "image/webp"
    mode = "RGBA" if channels in (2, 4) else "RGB"
    with Image.open(io.BytesIO(png.content)) as one, Image.open(io.BytesIO(webp.content)) as two:
        np.testing.assert_array_equal(one.convert(mode), two.convert(mode))


@pytest.mark.parametrize(
    ("scale", "size"),
    [("1", (50, 70)), ("1.5", (75, 105)), ("1.9999999", (100, 140)), ("2", (100, 140))],
)
def test_other_scales_are_a_resize_of_what_the_model_makes(
    upscaler: TestClient, scale: str, size: tuple[int, int]
) -> None:
    response = enlarge(upscaler, encoded(noise(70, 50, 4)), scale=scale)
    assert response.headers["x-scale"] == scale
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.size == size


def test_models_of_grey_and_rgba_take_all_pictures(upscaler: TestClient) -> None:
    for shape in ((9, 7), (9, 7, 2), (70, 9, 3), (9, 70, 4)):
        body = encoded(noise(*shape))
        for model, scale in (("grey", 3), ("rgba", 2)):
            found = pixels(enlarge(upscaler, body, model=model))
            assert found.shape == (scale * shape[0], scale * shape[1], *shape[2:])
    picture = noise(9, 7)
    expected = ToyUpscaler(channels=1, scale=3).images(picture[None, :, :, None])[0, :, :, 0]
    assert close(pixels(enlarge(upscaler, encoded(picture), model="grey")), expected)


def test_a_form_is_as_good_as_a_query(upscaler: TestClient) -> None:
    body = encoded(noise(20, 20, 3))
    expected = enlarge(upscaler, body, model="larger", version=2, scale=1.5)
    fields = {"model": "larger", "version": "2", "scale": "1.5"}
    found = upscaler.post("/upscale", files={"picture": ("a.png", body)}, data=fields)
    assert found.content == expected.content
    assert found.headers["x-model"] == "larger@2"
    mixed = upscaler.post("/upscale?version=2", files={"picture": ("a.png", body)}, data=fields)
    assert "version is given" in problem(mixed, 422, "invalid-value")["detail"]


@pytest.mark.parametrize(
    "kind", [None, "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_zip_of_no_known_type_is_told_by_its_first_bytes(
    upscaler: TestClient, kind: str | None
) -> None:
    body = zipped({"a.png": encoded(noise(4, 4, 3))})
    headers = {} if kind is None else {"content-type": kind}
    response = upscaler.post("/upscale", content=body, headers=headers)
    assert response.headers["content-type"] == "application/zip"
    alone = upscaler.post("/invert?model=toy", content=body, headers=headers)
    assert "a single picture is allowed" in problem(alone, 415, "unsupported-body-type")["detail"]


def test_a_zip_keeps_names_and_order(upscaler: TestClient) -> None:
    entries = {
        "b/two.jpg": encoded(noise(9, 9, 3), "JPEG"),
        "b/two.png": encoded(noise(150, 9, 3)),
        "a.webp": encoded(noise(9, 9, 3), "WEBP"),
        "errors.json": b"{}",
    }
    for files, content in (
        (None, zipped(entries)),
        ({"picture": ("a.zip", zipped(entries))}, None),
    ):
        headers = {"content-type": "application/zip"} if content else {}
        response = upscaler.post("/upscale", content=content, files=files, headers=headers)
        assert response.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(response.content)) as found:
            names = ["b/two.png", "b/two.png.png", "a.png", "errors.json"]
            assert found.namelist() == names
            for name, body in zip(names, list(entries.values())[:3], strict=False):
                assert found.read(name) == enlarge(upscaler, body).content
