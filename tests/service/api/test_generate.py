"""The bodies of all answer types, read back by other readers."""

import base64
import email
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.verify import load_bundle
from mirage.service.api.answers import images
from mirage.service.api.answers.kinds import pack
from mirage.service.api.answers.made import Made
from mirage.service.api.content import negotiation
from mirage.service.errors import NotAcceptable
from mirage.service.media import encoding
from mirage.service.media.encoding import Compression, contact_sheet, encode_png
from mirage.service.tasks.generate import GenerateJob
from tests.bundles import Toy


@pytest.fixture(scope="module")
def made(models_root: Path) -> Made:
    """Three images of seed 7, from index 2 on."""
    latents, labels = draw_latents(7, 2, 3, 5, 10)
    assert labels is not None
    manifest = load_bundle(models_root / "toy/1").manifest
    return Made(manifest, GenerateJob(latents, labels, 7, 2), Toy().images(latents, labels))


def posted(made: Made) -> Made:
    """The same images as if from posted latents of an unconditional model."""
    return Made(made.manifest, GenerateJob(made.job.latents, None, None, 0), made.rows)


def decoded(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_a_zip_holds_the_images_in_order_stored_and_dated_alike(made: Made) -> None:
    packed = pack(encoding.ZIP, made, None)
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == ["000.png", "001.png", "002.png"]
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
        assert archive.read("002.png") == encode_png(made.rows[2])


@pytest.mark.parametrize("compression", ["none", "fast", "small"])
def test_all_pngs_are_compressed_as_the_settings_say(made: Made, compression: Compression) -> None:
    made = made._replace(compression=compression)
    expected = encode_png(made.rows[1], compression)
    assert expected in pack(encoding.ZIP, made, None).body
    assert expected in pack(negotiation.MULTIPART, made, None).body
    assert base64.b64encode(expected) in pack(negotiation.JSON, made, None).body
    sheet = encode_png(contact_sheet(made.rows), compression)
    assert pack(encoding.PNG, made, "grid").body == sheet
    assert base64.b64encode(sheet) in pack(negotiation.JSON, made, "grid").body


def test_multipart_names_seed_index_and_label_of_each_image(made: Made) -> None:
    packed = pack(negotiation.MULTIPART, made, None)
    head = f"Content-Type: {packed.media_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + packed.body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    assert not message.defects
    assert [part["Content-ID"] for part in parts] == ["<2>", "<3>", "<4>"]
    assert [part["X-Index"] for part in parts] == ["2", "3", "4"]
    assert {part["X-Seed"] for part in parts} == {"7"}
    assert [int(part["X-Label"]) for part in parts] == made.job.labels.tolist()
    assert packed.body.count(encode_png(made.rows[1])) == 1


def test_multipart_of_posted_latents_has_neither_seed_nor_label(made: Made) -> None:
    body = pack(negotiation.MULTIPART, posted(made), None).body
    assert b"X-Seed" not in body
    assert b"X-Label" not in body


def test_json_tells_everything_of_each_image(made: Made) -> None:
    answer = json.loads(pack(negotiation.JSON, made, None).body)
    assert (answer["model"], answer["version"]) == ("toy", 1)
    image = answer["images"][1]
    label = made.label(1)
    assert {**image, "png": ""} == {
        "seed": "7",
        "index": 3,
        "label": label,
        "class": str(label),
        "png": "",
    }
    assert base64.b64decode(image["png"]) == encode_png(made.rows[1])


def test_json_of_posted_latents_has_nulls(made: Made) -> None:
    image = json.loads(pack(negotiation.JSON, posted(made), None).body)["images"][0]
    assert (image["seed"], image["label"], image["class"]) == (None, None, None)


def test_json_may_hold_a_sheet(made: Made) -> None:
    (image,) = json.loads(pack(negotiation.JSON, made, "grid").body)["images"]
    assert image["label"] is None
    assert base64.b64decode(image["png"]) == encode_png(contact_sheet(made.rows))


def test_npy_is_the_array(made: Made) -> None:
    packed = pack(negotiation.NPY, made, None)
    assert np.array_equal(np.load(io.BytesIO(packed.body), allow_pickle=False), made.rows)


@pytest.mark.parametrize("media", [encoding.PNG, encoding.WEBP])
def test_several_images_in_one_are_a_sheet(made: Made, media: str) -> None:
    pixels = decoded(pack(media, made, None).body)
    assert np.array_equal(pixels.reshape(16, 24, -1)[:, :, :1], contact_sheet(made.rows))


def test_a_sheet_that_webp_cannot_hold_is_refused(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "WEBP_SIDE", 20)
    with pytest.raises(NotAcceptable, match="at most 20 pixels"):
        pack(encoding.WEBP, made, None)


@pytest.mark.parametrize("media", negotiation.ANSWER_TYPES)
def test_the_same_images_are_the_same_bytes(made: Made, media: str) -> None:
    assert pack(media, made, None) == pack(media, made, None)
