from pathlib import Path

import pytest

from tests.client.pictures.files import write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures in two folders; one has several rows of tiles of the server."""
    write(tmp_path / "photos" / "a.png", 9, 13, seed=1)
    write(tmp_path / "photos" / "b.jpg", 90, 70, "JPEG", seed=2)
    write(tmp_path / "photos" / "sub" / "c.webp", 1, 1, "WEBP", seed=3)
    write(tmp_path / "photos" / "sub" / "d.PNG", 30, 20, seed=4)
    return tmp_path / "photos"
