import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from mirage.training import mnist
from mirage.training.errors import DataError

FILES = {name: f"the content of {name}".encode() for name in mnist.SHA256}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror on loopback with stand-ins for the four files, and their hashes pinned."""
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


def test_downloads_and_unpacks_the_four_files(mirror: Path, tmp_path: Path) -> None:
    mnist.download_mnist(tmp_path / "data", mnist.MIRROR)
    found = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert found == FILES


def test_keeps_what_is_there_already(mirror: Path, tmp_path: Path) -> None:
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
def test_refuses_other_content_and_leaves_nothing_of_it(
    mirror: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    name = "t10k-labels-idx1-ubyte"
    file = mirror / f"{name}.gz"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(DataError, match=said):
        mnist.download_mnist(tmp_path / "data", mnist.MIRROR)
    assert not (tmp_path / "data" / name).exists()
