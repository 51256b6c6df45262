from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.__main__ import main
from mirage.training.data.prepare.textures import Area, write_textures
from mirage.training.errors import DataError, UsageError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Left half dark, right half bright, with noise."""
    pixels = np.random.default_rng(0).integers(0, 50, (60, 200, 3), dtype=np.uint8)
    pixels[:, 100:] += 200
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_cuts_each_area_into_a_folder_of_its_own(
    tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    areas = [f"dark={photo}:0,0,100,60", f"bright={photo}:100,0,200,60"]
    flags = ["--size", "8", "--count", "5", "--to", str(tmp_path / "out")]
    assert main(["prepare-textures", *areas, *flags]) == 0
    assert "10 crops of 8x8" in capsys.readouterr().out
    for name, low, high in (("dark", 0, 50), ("bright", 200, 250)):
        files = sorted((tmp_path / "out" / name).iterdir())
        assert [file.name for file in files] == [f"{number:03}.png" for number in range(5)]
        for file in files:
            pixels = np.asarray(Image.open(file))
            assert pixels.shape == (8, 8, 3)
            assert low <= pixels.min() <= pixels.max() <= high


def test_a_texture_may_have_several_areas(tmp_path: Path, photo: Path) -> None:
    areas = [Area("noise", photo, (left, 0, left + 100, 60)) for left in (0, 100)]
    assert write_textures(areas, tmp_path / "out", size=8, count=3) == 6
    files = sorted((tmp_path / "out" / "noise").iterdir())
    assert [np.asarray(Image.open(file)).max() < 100 for file in files] == [True] * 3 + [False] * 3


def test_the_same_arguments_give_the_same_crops(tmp_path: Path, photo: Path) -> None:
    area = Area("dark", photo, (0, 0, 100, 60))
    for folder in ("one", "two"):
        write_textures([area], tmp_path / folder, size=8, count=3)
    one, two = (
        [path.read_bytes() for path in sorted((tmp_path / folder / "dark").iterdir())]
        for folder in ("one", "two")
    )
    assert one == two
    assert len(set(one)) == 3


@pytest.mark.parametrize(
    "box", [(0, 0, 201, 60), (0, 0, 200, 61), (0, 0, 23, 60), (50, 0, 40, 60)], ids=str
)
def test_an_area_must_lie_in_its_photograph_and_hold_a_crop(
    photo: Path, box: tuple[int, int, int, int]
) -> None:
    with pytest.raises(DataError, match="200x60 pixels, and a crop takes 24x24"):
        write_textures([Area("dark", photo, box)], photo.parent / "out", size=8)


@pytest.mark.parametrize("text", ["dark", "dark=photo.png", "Dark=photo.png:0,0,1,1", "a=b:1,2,3"])
def test_an_area_needs_a_name_a_photograph_and_four_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="allowed is NAME=PHOTO:LEFT,TOP,RIGHT,BOTTOM"):
        Area.parse(text)


def test_a_photograph_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"photo\.jpg cannot be read"):
        write_textures([Area("dark", tmp_path / "photo.jpg", (0, 0, 9, 9))], tmp_path / "out")
