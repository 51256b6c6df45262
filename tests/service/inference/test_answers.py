"""Answers: the JSON object, and the pixels in it or behind it."""

import json

import numpy as np
import pytest

from mirage.bundle.format.manifest import Manifest, parse_manifest
from mirage.service.inference.answers import HEADER_LENGTH, Form, pack
from tests.service.inference.exchange import LENGTH

IMAGES = np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1)


@pytest.fixture(scope="module")
def manifest(models_root: object) -> Manifest:
    return parse_manifest((models_root / "toy" / "1" / "manifest.json").read_bytes())  # type: ignore[operator]


def test_every_value_of_a_pixel_is_a_json_number(manifest: Manifest) -> None:
    packed = pack(IMAGES, manifest, Form("7", binary=False, encoding=None))
    assert packed.headers == {"Content-Type": "application/json"}
    assert json.loads(packed.body) == {
        "model_name": "toy",
        "model_version": "1",
        "id": "7",
        "outputs": [
            {
                "name": "images",
                "datatype": "UINT8",
                "shape": [2, 8, 16, 1],
                "data": list(range(256)),
            }
        ],
    }


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:, ::2], IMAGES[:1]])
def test_binary_pixels_follow_the_json(manifest: Manifest, images: np.ndarray) -> None:
    packed = pack(images, manifest, Form(None, binary=True, encoding=None))
    length = int(packed.headers[LENGTH])
    (output,) = json.loads(packed.body[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": images.nbytes}
    assert packed.body[length:] == images.tobytes()


def test_the_length_is_that_before_compression(manifest: Manifest) -> None:
    plain = pack(IMAGES, manifest, Form(None, binary=True, encoding=None))
    packed = pack(IMAGES, manifest, Form(None, binary=True, encoding="gzip"))
    assert packed.headers[HEADER_LENGTH] == plain.headers[HEADER_LENGTH]
    assert packed.headers["Content-Encoding"] == "gzip"
