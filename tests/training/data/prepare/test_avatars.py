import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.__main__ import main
from mirage.training.data.prepare.avatars import is_bust, shrunk, tone_of, write_avatars
from mirage.training.errors import DataError

FILES = (
    *("emoji_u1f468.png", "emoji_u1f468_1f3fb.png", "emoji_u1f9d1_1f3ff_200d_1f3a8.png"),
    *("emoji_u1f600.png", "emoji_u1f468_200d_1f467.png", "readme.txt"),
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    picture = io.BytesIO()
    Image.new("RGBA", (72, 72), (200, 100, 50, 255)).save(picture, "PNG")
    path = tmp_path / "emoji.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name in FILES:
            opened.writestr(name, picture.getvalue())
    return path


def test_writes_single_persons_by_skin_tone(
    tmp_path: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "avatars"
    assert main(["prepare-avatars", str(archive), "--to", str(folder)]) == 0
    assert "3 persons of 32x32" in capsys.readouterr().out
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert written == [
        "dark/emoji_u1f9d1_1f3ff_200d_1f3a8.png",
        "light/emoji_u1f468_1f3fb.png",
        "yellow/emoji_u1f468.png",
    ]
    with Image.open(folder / written[0]) as image:
        assert (image.mode, image.size) == ("RGBA", (32, 32))
        assert image.getpixel((16, 16)) == (200, 100, 50, 255)


def test_writes_single_persons_by_role(tmp_path: Path, archive: Path) -> None:
    folder = tmp_path / "avatars"
    assert main(["prepare-avatars", str(archive), "--to", str(folder), "--by", "role"]) == 0
    assert {path.name for path in folder.iterdir()} == {"adult", "artist"}


def test_persons_by_tone_and_by_role_are_not_mixed(tmp_path: Path, archive: Path) -> None:
    folder = tmp_path / "avatars"
    for _ in range(2):
        write_avatars(archive, folder, 32)
    before = sorted(folder.rglob("*"))
    with pytest.raises(DataError, match=r"\.png is there; by role its class is (adult|artist): "):
        write_avatars(archive, folder, 32, "role")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("code_points", "bust"),
    [
        ("1f469", True),
        ("1f469_1f3fd_200d_1f680", True),
        ("1f9d4_200d_2640", True),
        ("1f600", False),
        ("1f469_200d_2764_200d_1f468", False),
        ("1f469_200d_1f469_200d_1f466", False),
        ("1f469_200d_1f9bd", False),
        ("1f9d1_200d_1f91d_200d_1f9d1", False),
    ],
)
def test_recognises_emoji_of_one_head_and_shoulders(code_points: str, bust: bool) -> None:
    assert is_bust(f"emoji_u{code_points}.png") is bust


def test_an_emoji_without_a_modifier_is_yellow() -> None:
    assert tone_of("emoji_u1f468.png") == "yellow"
    assert tone_of("emoji_u1f468_1f3fe_200d_1f692.png") == "medium-dark"


def test_invisible_colours_do_not_bleed() -> None:
    picture = Image.new("RGBA", (72, 72), (255, 0, 0, 0))
    picture.paste((0, 200, 0, 255), (0, 0, 36, 72))
    pixels = np.asarray(shrunk(picture, 32)).astype(int)
    visible = pixels[pixels[..., 3] > 16]
    assert visible[:, 0].max() < 16
    assert visible[:, 1].min() > 184


def test_names_an_unsuitable_archive(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        write_avatars(Path(__file__), tmp_path, 32)
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("emoji_u1f600.png", b"")
    with pytest.raises(DataError, match="contains no persons"):
        write_avatars(archive, tmp_path, 32)
