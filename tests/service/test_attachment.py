"""The grid of samples and the card of a model."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from mirage.bundle.format.folder import Folder
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.bundles import make_bundle, reseal
from tests.service.exchange import problem


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy 1, released, and 2 with grids; 3 without; 4 with one that is not as it was published."""
    root = tmp_path_factory.mktemp("models")
    for grey in (10, 20, None, 40):
        path = make_bundle(root)
        if grey is not None:
            Image.new("L", (30, 20), grey).save(path / "samples.png")
            reseal(path)
    (root / "toy" / "4" / "samples.png").write_bytes(b"another")
    release(root, "toy", 1)
    return root


@pytest.fixture(scope="module")
def gallery(root: Path) -> Iterator[TestClient]:
    app = create_app(Settings(models=root, threads=1, encode_threads=1))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def grey(raw: bytes) -> object:
    with Image.open(io.BytesIO(raw)) as image:
        return image.getpixel((0, 0))


def test_the_released_version_shows_its_samples_and_may_change(gallery: TestClient) -> None:
    response = gallery.get("/models/toy/samples")
    assert (response.status_code, grey(response.content)) == (200, 10)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-model"] == "toy@1"
    assert response.headers["cache-control"] == "no-cache"


def test_a_version_by_number_never_changes_and_is_not_loaded(gallery: TestClient) -> None:
    response = gallery.get("/models/toy/samples?version=2")
    assert grey(response.content) == 20
    assert "immutable" in response.headers["cache-control"]
    assert [loaded["version"] for loaded in gallery.get("/models/toy").json()["loaded"]] == [1]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_who_has_it_does_not_get_it_again(gallery: TestClient, form: str) -> None:
    etag = gallery.get("/models/toy/samples").headers["etag"]
    headers = {"if-none-match": form.format(etag)}
    response = gallery.get("/models/toy/samples", headers=headers)
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == etag
    assert gallery.get("/models/toy/samples?version=2", headers=headers).status_code == (
        304 if form == "*" else 200
    )


def test_a_version_without_samples_has_none(gallery: TestClient) -> None:
    found = problem(gallery.get("/models/toy/samples?version=3"), 404, "not-found")
    assert found["detail"] == "toy@3 has no samples.png"


@pytest.mark.parametrize("path", ["absent/samples", "toy/samples?version=9", "%2e%2e/samples"])
def test_what_is_not_published_is_not_found(gallery: TestClient, path: str) -> None:
    assert gallery.get(f"/models/{path}").status_code == 404


def test_samples_that_are_not_the_published_ones_are_refused(gallery: TestClient) -> None:
    found = problem(gallery.get("/models/toy/samples?version=4"), 503, "model-refused")
    assert found["detail"].endswith("file_size")


@pytest.mark.parametrize("version", ["0", "one", "1.5", "9" * 5000])
def test_a_version_that_is_no_number_is_a_bad_value(gallery: TestClient, version: str) -> None:
    found = problem(
        gallery.get("/models/toy/samples", params={"version": version}), 422, "invalid-value"
    )
    assert "version" in found["detail"]


def test_the_card_is_text_of_the_version(gallery: TestClient) -> None:
    response = gallery.get("/models/toy/card?version=2")
    assert (response.status_code, response.text) == (200, "# A toy\n")
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["x-model"] == "toy@2"
    assert "immutable" in response.headers["cache-control"]


def test_a_file_is_not_hashed_for_each_who_asks(
    gallery: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gallery.get("/models/toy/samples").content
    monkeypatch.delattr(Folder, "scan")
    assert gallery.get("/models/toy/samples").content == first
