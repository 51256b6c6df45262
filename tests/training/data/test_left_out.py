"""Pictures and folders that cannot be read are named."""

import os
from pathlib import Path

import pytest
from PIL import Image

from mirage.training.data.load import load_dataset
from mirage.training.errors import DataError
from tests.training.helpers.files import encode, png, ramp, write_tree


def test_names_pictures_that_are_left_out(tmp_path: Path) -> None:
    files = {f"{n:02}.png": encode(Image.fromarray(ramp(8, 8))) for n in range(20)}
    files |= {"empty.png": b"", "half.png": files["00.png"][:150]}
    data = load_dataset(write_tree(tmp_path / "data", files), cache=tmp_path)
    assert data.notes == (
        "left out: empty.png is not in a supported image format; half.png: image file is truncated",
    )


def test_names_a_folder_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tree(tmp_path / "data", {"cat/1.png": png(), "dog/1.png": png()})
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # permissions do not bind root
    with pytest.raises(DataError, match=r"the folder .*dog cannot be read: Permission denied"):
        load_dataset(folder, cache=tmp_path)
