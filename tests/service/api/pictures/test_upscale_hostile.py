"""Uploads that are no pictures, broken ones, and such as would cost much: each answer says why."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.service.helpers.hostile_uploads import GOOD, JPEG, TAKEN, UPLOADS, ZIP, lying_zip
from tests.service.helpers.pictures import encoded, header, noise, png, zipped


@pytest.fixture(scope="module")
def client(picture_settings: Settings) -> Iterator[TestClient]:
    limits = {"picture_megapixels": 1.0, "picture_bytes": 2 * 2**20, "images_per_request": 8}
    app = create_app(picture_settings.model_copy(update=limits))
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("name", UPLOADS)
def test_each_upload_is_answered_in_words(client: TestClient, name: str) -> None:
    body, media, status, words = UPLOADS[name]
    response = client.post("/upscale", content=body, headers={"content-type": media})
    assert response.status_code == status, response.content[:300]
    if status == 200:
        Image.open(io.BytesIO(response.content)).load()
    else:
        assert words in response.json()["detail"]


ENTRIES = {
    "../outside.png": (GOOD, "named '../outside.png'"),
    "/etc/passwd": (GOOD, "named '/etc/passwd'"),
    "a/../../b.png": (GOOD, "parts that are empty"),
    "a\\b.png": (GOOD, "backslashes"),
    "C:b.png": (GOOD, "colons"),
    "a//b.png": (GOOD, "parts that are empty"),
    "line\nbreak.png": (GOOD, "printable"),
    f"{'long' * 60}.png": (GOOD, "200 printable characters"),
}


def test_entries_with_names_that_lead_elsewhere_fail_alone(client: TestClient) -> None:
    body = zipped({name: entry for name, (entry, _) in list(ENTRIES.items())[:4]})
    more = zipped({"ok.png": GOOD, **{n: e for n, (e, _) in list(ENTRIES.items())[4:]}})
    for archive, good in ((body, []), (more, ["ok.png"])):
        found = answered(client, archive)
        assert found.namelist() == [*good, "errors.json"]
        for error in json.loads(found.read("errors.json"))["errors"]:
            known = next(
                words for name, (_, words) in ENTRIES.items() if name[:200] == error["name"]
            )
            assert (error["status"], error["type"]) == (422, "urn:mirage:invalid-value")
            assert known in error["detail"]


@pytest.mark.parametrize(
    ("entry", "status", "words"),
    [
        (b"", 400, "empty"),
        (b"text", 400, TAKEN),
        (GOOD[:40], 400, "picture"),
        (encoded(noise(60, 60, 3))[:900], 400, "decoded"),
        (zipped({"a.png": GOOD}), 415, "is a ZIP"),
        (encoded(noise(5, 5, 3), "JPEG", "CMYK"), 415, "to RGB"),
        (png(header(30_000, 30_000)), 422, "at most 1 megapixels"),
    ],
)
def test_a_bad_entry_fails_alone(client: TestClient, entry: bytes, status: int, words: str) -> None:
    found = answered(client, zipped({"first.png": GOOD, "bad.png": entry, "last.jpg": JPEG}))
    assert found.namelist() == ["first.png", "last.png", "errors.json"]
    (error,) = json.loads(found.read("errors.json"))["errors"]
    assert (error["name"], error["status"]) == ("bad.png", status)
    assert words in error["detail"]


def test_an_entry_that_lies_about_its_size_fails_alone(client: TestClient) -> None:
    found = answered(client, lying_zip())
    (error,) = json.loads(found.read("errors.json"))["errors"]
    assert error["status"] == 400


def test_hostile_uploads_take_no_memory(client: TestClient) -> None:
    """Bombs say that they are gigabytes; what is decoded here is at most a megapixel."""
    status = Path("/proc/self/status")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _kilobytes(status, "VmRSS")
    for upload in UPLOADS.values():
        client.post("/upscale", content=upload.body, headers={"content-type": upload.media})
    assert _kilobytes(status, "VmHWM") - before < 128 * 1024


def _kilobytes(status: Path, name: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def answered(client: TestClient, archive: bytes) -> zipfile.ZipFile:
    """The archive that answers another one."""
    response = client.post("/upscale", content=archive, headers={"content-type": ZIP})
    assert response.status_code == 200, response.text
    return zipfile.ZipFile(io.BytesIO(response.content))


def test_the_table_is_long_enough() -> None:
    assert len(UPLOADS) + len(ENTRIES) >= 100
