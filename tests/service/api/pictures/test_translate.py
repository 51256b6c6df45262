"""Translated pictures: of the same size, over white, with the same bytes whatever the tiles are."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from mirage.service.media.tiling import padded_to
from tests.service.api.pictures.conftest import Serving
from tests.service.helpers.pictures import encoded, noise, zipped
from tests.service.helpers.requests import pixels, problem
from tests.upscalers import ToyUpscaler

TOY = ToyUpscaler(scale=1, task="translate", multiple=4)
PNG = {"content-type": "image/png"}


def translated(picture: np.ndarray) -> np.ndarray:
    """What the model makes of an RGB picture of any size."""
    height, width, _ = picture.shape
    return TOY.images(padded_to(picture, 4)[None])[0][:height, :width]


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal but for the rounding of float32: at most one grey level, and hardly ever."""
    difference = np.abs(found.astype(int) - expected)
    return found.shape == expected.shape and difference.max() <= 1 and difference.mean() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 64), (257, 129)])
def test_pixels_are_those_of_the_model(upscaler: TestClient, size: tuple[int, int]) -> None:
    picture = noise(*size, 3)
    response = upscaler.post("/translate", content=encoded(picture), headers=PNG)
    assert response.status_code == 200
    assert close(pixels(response), translated(picture))
    assert response.headers["x-model"] == "styled@1"
    assert response.headers["x-scale"] == "1"


def test_tiles_do_not_show(upscaler: TestClient, serving: Serving) -> None:
    other = serving(tile=512)
    for size in ((130, 70), (513, 257), (203, 301)):
        body = encoded(noise(*size, 3))
        first, second = (
            client.post("/translate", content=body, headers=PNG) for client in (upscaler, other)
        )
        assert first.content == second.content, size


def test_transparent_pictures_are_drawn_over_white(upscaler: TestClient) -> None:
    picture = noise(20, 12, 4)
    white = Image.new("RGBA", (12, 20), "white")
    white.alpha_composite(Image.fromarray(picture))
    response = upscaler.post("/translate", content=encoded(picture), headers=PNG)
    made = pixels(response)
    assert made.shape == (20, 12, 3)
    difference = np.abs(made.astype(int) - translated(np.asarray(white.convert("RGB"))))
    assert difference.max() <= 2  # Pillow rounds the share of white in another way


def test_grey_pictures_may_get_colours(upscaler: TestClient) -> None:
    grey = noise(9, 9)
    response = upscaler.post("/translate", content=encoded(grey), headers=PNG)
    assert close(pixels(response), translated(grey[:, :, None].repeat(3, axis=2)))


def test_the_entries_of_a_zip_are_translated(upscaler: TestClient) -> None:
    pictures = {f"{n}.png": noise(6, 10, 3, seed=n) for n in range(3)}
    body = zipped({name: encoded(picture) for name, picture in pictures.items()})
    response = upscaler.post(
        "/translate", content=body, headers={"content-type": "application/zip"}
    )
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        for name, picture in pictures.items():
            assert close(np.asarray(Image.open(archive.open(name))), translated(picture))


def test_a_model_of_another_task_is_refused(upscaler: TestClient) -> None:
    body = encoded(noise(4, 4, 3))
    for path, model in (("/translate", "larger"), ("/upscale", "styled")):
        response = upscaler.post(f"{path}?model={model}", content=body, headers=PNG)
        assert problem(response, 422, "invalid-value")["errors"][0]["loc"] == ["model"]


def test_scale_is_no_field_of_a_translation(upscaler: TestClient) -> None:
    body = encoded(noise(4, 4, 3))
    response = upscaler.post("/translate?scale=2", content=body, headers=PNG)
    found = problem(response, 422, "invalid-value")["errors"][0]["msg"]
    assert found.endswith("is no field; allowed are model, version")
