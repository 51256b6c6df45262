from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.data.degradation import reduce
from mirage.training.data.sources import pictures
from mirage.training.data.sources.pictures import PictureOptions, load_pictures
from mirage.training.errors import DataError
from tests.training.drawings import drawing, drawings, write_drawings


def write_flat(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.fromarray(drawing(number)).save(folder / f"{number}.png")
    return folder


def test_holds_out_whole_folders(tmp_path: Path) -> None:
    data = drawings(tmp_path)
    out, kept = ({p.name.split("/")[0] for p in each} for each in (data.held_out, data.pictures))
    assert sorted(out | kept) == ["flat", "round"]
    assert not out & kept
    assert len(data.pictures) + len(data.held_out) == 6


def test_folders_of_one_name_are_held_out_together(tmp_path: Path) -> None:
    for number, style in enumerate(("noto", "openmoji")):
        write_drawings(tmp_path / style, count=4 + 2 * number)
    data = load_pictures(str(tmp_path), PictureOptions(), (12, 24))
    out, kept = ({p.name.split("/")[1] for p in each} for each in (data.held_out, data.pictures))
    assert sorted(out | kept) == ["flat", "round"]
    assert not out & kept


def test_asks_for_other_names_where_all_folders_have_one(tmp_path: Path) -> None:
    for scene in ("scene0", "scene1"):
        write_drawings(tmp_path / scene, count=1)
    with pytest.raises(DataError, match=r"only in folders of one name; .* rename folders"):
        load_pictures(str(tmp_path), PictureOptions(), (12, 24))


def test_holds_out_pictures_without_folders_by_content(tmp_path: Path) -> None:
    first = load_pictures(str(write_flat(tmp_path / "a", 9)), PictureOptions(held_out=30), (4, 8))
    assert 0 < len(first.held_out) < 9
    (tmp_path / "a" / "0.png").rename(tmp_path / "a" / "zero.png")
    again = load_pictures(str(tmp_path / "a"), PictureOptions(held_out=30), (4, 8))

    def contents(several: object) -> set[bytes]:
        return {picture.pixels.tobytes() for picture in several}

    assert contents(first.held_out) == contents(again.held_out)


def test_neither_split_is_empty(tmp_path: Path) -> None:
    for per_cent in (0.001, 99.9):
        data = drawings(tmp_path, held_out=per_cent)
        assert data.held_out
        assert data.pictures


def test_the_fingerprint_depends_on_the_pixels_only(tmp_path: Path) -> None:
    one, same = drawings(tmp_path), drawings(tmp_path)
    assert one.fingerprint == same.fingerprint
    assert drawings(tmp_path, shrink=[2]).fingerprint != one.fingerprint
    for path in (tmp_path / "round").iterdir():
        Image.fromarray(drawing(77)).save(path)
    for path in (tmp_path / "flat").iterdir():
        Image.fromarray(drawing(78)).save(path)
    assert drawings(tmp_path).fingerprint != one.fingerprint


def test_shrinks_pictures(tmp_path: Path) -> None:
    assert drawings(tmp_path, shrink=[2]).pictures[0].pixels.shape == (24, 24, 3)


def test_holds_out_all_sizes_of_a_picture_together(tmp_path: Path) -> None:
    folder = write_flat(tmp_path / "a", 8)
    data = load_pictures(str(folder), PictureOptions(shrink=(1, 2), held_out=30), (12, 24))
    out, kept = ({p.name[0] for p in each} for each in (data.held_out, data.pictures))
    assert not out & kept
    assert {p.pixels.shape[0] for p in data.held_out} == {48, 24}
    assert len(data.all) == 16


def test_keeps_transparency(tmp_path: Path) -> None:
    folder = write_drawings(tmp_path, alpha=True)
    data = load_pictures(str(folder), PictureOptions(), (12, 24))
    assert {picture.pixels.shape[2] for picture in data.all} == {4}


def test_grey_pictures_are_drawn_over_white(tmp_path: Path) -> None:
    hidden = np.zeros((16, 16, 4), np.uint8)
    hidden[:8, :, 3] = 255  # black above; below it is black, too, and cannot be seen
    for name in ("a.png", "b.png"):
        Image.fromarray(hidden).save(tmp_path / name)
    for shrink in (1, 2):
        options = PictureOptions(channels=1, shrink=(shrink,))
        data = load_pictures(str(tmp_path), options, (4, 8), by_name=True)
        for picture in data.all:
            assert picture.pixels.shape == (16 // shrink, 16 // shrink, 1)
            assert (picture.pixels[0] == 0).all()
            assert (picture.pixels[-1] == 255).all()


def test_pictures_that_are_too_large_together_are_refused_before_all_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_flat(tmp_path / "a", 4)
    (folder / "9.png").write_bytes(b"no picture, which would be named if it were read")
    monkeypatch.setattr(pictures, "MAX_BYTES", 2 * 48 * 48 * 3)
    with pytest.raises(DataError, match=r"3 of 5 pictures of .* decoded and at most"):
        load_pictures(str(folder), PictureOptions(), (12, 24))


def test_names_pictures_smaller_than_a_crop(tmp_path: Path) -> None:
    folder = write_drawings(tmp_path)
    with pytest.raises(DataError, match=r"6 of 6 pictures .* smaller than a crop of 64x64: flat/1"):
        load_pictures(str(folder), PictureOptions(), (32, 64))


def test_a_few_damaged_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    folder = write_drawings(tmp_path, count=8)
    (folder / "flat" / "1.png").write_bytes(b"no picture")
    data = load_pictures(str(folder), PictureOptions(), (12, 24))
    assert [p.name for p in data.all if p.name.startswith("flat")] == [
        f"flat/{number}.png" for number in (3, 5, 7)
    ]
    assert "left out: flat/1.png is not in a supported image format" in data.notes


def test_more_damaged_pictures_than_are_tolerated_stop_it(tmp_path: Path) -> None:
    folder = write_drawings(tmp_path)
    (folder / "flat" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 6 images in .* such as flat/1\.png .*--max-broken"):
        load_pictures(str(folder), PictureOptions(), (12, 24))
    assert len(load_pictures(str(folder), PictureOptions(max_broken=0.2), (12, 24)).all) == 5
    with pytest.raises(DataError, match=r"at most 10% may be broken"):
        load_pictures(str(folder), PictureOptions(max_broken=0.1), (12, 24))


def test_rejects_a_single_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two"):
        load_pictures(str(write_flat(tmp_path / "a", 1)), PictureOptions(), (12, 24))


class TestGivenLowResolution:
    def test_is_found_by_name(self, tmp_path: Path) -> None:
        high, low = self._folders(tmp_path, 2)
        data = load_pictures(str(high), PictureOptions(), (12, 24), str(low))
        for picture in data.all:
            assert np.array_equal(picture.low, reduce(picture.pixels, 2))

    def test_takes_memory_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        high, low = self._folders(tmp_path, 2)
        monkeypatch.setattr(pictures, "MAX_BYTES", 4 * 48 * 48 * 3)
        load_pictures(str(high), PictureOptions(), (12, 24))
        with pytest.raises(DataError, match="4 of 4 pictures of"):
            load_pictures(str(high), PictureOptions(), (12, 24), str(low))

    def test_must_have_the_right_size(self, tmp_path: Path) -> None:
        high, low = self._folders(tmp_path, 3)
        with pytest.raises(
            DataError, match=r"the low resolution of .* is 16x16; .* it must be 24x24"
        ):
            load_pictures(str(high), PictureOptions(), (12, 24), str(low))

    def test_must_exist_for_every_picture(self, tmp_path: Path) -> None:
        high, low = self._folders(tmp_path, 2)
        (low / "3.png").unlink()
        with pytest.raises(DataError, match=r"1 of 4 pictures have no counterpart in .*: 3\.png"):
            load_pictures(str(high), PictureOptions(), (12, 24), str(low))

    def test_leaves_its_picture_out_if_it_is_damaged(self, tmp_path: Path) -> None:
        high, low = self._folders(tmp_path, 2)
        content = (low / "3.png").read_bytes()
        (low / "3.png").write_bytes(content[: len(content) // 2])
        data = load_pictures(str(high), PictureOptions(max_broken=0.3), (12, 24), str(low))
        assert [picture.name for picture in data.all] == ["0.png", "1.png", "2.png"]
        (note,) = data.notes
        assert note.startswith("left out: 3.png has a low resolution that cannot be read: image")
        with pytest.raises(DataError, match=r"1 of 4 images .* such as 3\.png"):
            load_pictures(str(high), PictureOptions(), (12, 24), str(low))

    @staticmethod
    def _folders(folder: Path, scale: int) -> tuple[Path, Path]:
        high, low = write_flat(folder / "high", 4), folder / "low"
        low.mkdir()
        for path in high.iterdir():
            pixels = reduce(np.asarray(Image.open(path)), scale)
            Image.fromarray(pixels).save(low / path.name)
        return high, low
