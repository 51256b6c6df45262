import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from mirage.training.__main__ import main
from mirage.training.data.load import load_dataset
from mirage.training.data.sources import mnist
from mirage.training.data.sources.mnist import triples_of, write_stacked
from mirage.training.errors import DataError, UsageError
from tests.training.helpers.datasets import shapes_dataset, write_idx_folder

FILES = {name: f"the content of {name}".encode() for name in mnist.SHA256}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror on loopback with stand-ins for the four files and their hashes."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(mnist, "SHA256", hashes)
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        monkeypatch.setattr(mnist, "MIRROR", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


def test_downloads_and_decompresses_the_four_files(mirror: Path, tmp_path: Path) -> None:
    mnist.download_mnist(tmp_path / "data", mnist.MIRROR)
    found = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert found == FILES


def test_keeps_intact_existing_files(mirror: Path, tmp_path: Path) -> None:
    mnist.download_mnist(tmp_path / "data", mnist.MIRROR)
    for file in mirror.iterdir():
        file.unlink()
    mnist.download_mnist(tmp_path / "data", mnist.MIRROR)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"something else"), "has sha256"),
        (b"<html>", "cannot be downloaded"),
        (gzip.compress(b"x" * 1000)[:-9], "cannot be downloaded"),
        (None, "cannot be downloaded: HTTP Error 404"),
    ],
)
def test_rejects_other_content_and_writes_nothing(
    mirror: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    name = "t10k-labels-idx1-ubyte"
    file = mirror / f"{name}.gz"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(DataError, match=said):
        mnist.download_mnist(tmp_path / "data", mnist.MIRROR)
    assert not (tmp_path / "data" / name).exists()


DIGITS = shapes_dataset()


def test_each_channel_is_a_digit(tmp_path: Path) -> None:
    write_stacked(tmp_path / "stacked.npy", DIGITS, 5000, seed=1)
    stacked = np.load(tmp_path / "stacked.npy")
    assert (stacked.shape, stacked.dtype) == ((5000, 8, 8, 3), np.uint8)
    chosen = triples_of(len(DIGITS), 5000, seed=1)
    for image in (0, 4095, 4096, 4999):
        for channel in range(3):
            digit = DIGITS.images[chosen[image, channel], ..., 0]
            np.testing.assert_array_equal(stacked[image, ..., channel], digit)
    assert [path.name for path in tmp_path.iterdir()] == ["stacked.npy"]


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.npy", "b.npy", "c.npy")]
    for file, seed in zip(files, (0, 0, 1), strict=True):
        write_stacked(file, DIGITS, 50, seed)
    first, same, other = (file.read_bytes() for file in files)
    assert first == same != other


def test_the_file_can_be_loaded_as_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digits, file = tmp_path / "digits", tmp_path / "stacked.npy"
    digits.mkdir()
    write_idx_folder(digits)
    assert main(["stack-mnist", str(digits), str(file), "--images", "30"]) == 0
    data = load_dataset(file)
    assert data.images.shape == (30, 8, 8, 3)
    assert data.classes == ()


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [("stacked.npz", 9, "must end in .npy"), ("stacked.npy", 0, "--images is 0")],
)
def test_rejects_arguments_out_of_range(tmp_path: Path, name: str, count: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        write_stacked(tmp_path / name, DIGITS, count, seed=0)
    assert not list(tmp_path.iterdir())


def test_rejects_coloured_digits(tmp_path: Path) -> None:
    colours = replace(DIGITS, images=DIGITS.images.repeat(3, axis=3))
    with pytest.raises(DataError, match="have 3 channels; expected 1"):
        write_stacked(tmp_path / "stacked.npy", colours, 9, seed=0)
