"""ZIP archives that are sent while they are written."""

import io
import zipfile

import pytest

from mirage.service.media.archive import Archive

IMAGES = [b"a" * 10, b"bb", b"", b"c" * 70_000]


@pytest.mark.parametrize("sizes", [[4], [1, 1, 1, 1], [0, 3, 1]])
def test_the_bytes_do_not_depend_on_the_increments(sizes: list[int]) -> None:
    archive, images = Archive(), iter(IMAGES)
    parts = [archive.add([next(images) for _ in range(size)]) for size in sizes]
    raw = b"".join([*parts, archive.end()])
    whole = Archive()
    assert raw == whole.add(IMAGES) + whole.end()


def test_entries_are_stored_without_a_date() -> None:
    archive = Archive()
    raw = archive.add(IMAGES[:2]) + archive.add(IMAGES[2:]) + archive.end()
    with zipfile.ZipFile(io.BytesIO(raw)) as found:
        assert found.testzip() is None
        assert found.namelist() == ["000.png", "001.png", "002.png", "003.png"]
        assert [found.read(name) for name in found.namelist()] == IMAGES
        for info in found.infolist():
            assert (info.date_time, info.compress_type) == ((1980, 1, 1, 0, 0, 0), 0)
            assert info.flag_bits == 0  # sizes stand before the data


def test_bytes_that_were_taken_are_not_kept() -> None:
    archive = Archive()
    assert len(archive.add(IMAGES[3:])) > 70_000
    assert len(archive.add([b"x"])) < 100


def test_an_archive_without_its_end_is_not_a_zip() -> None:
    assert not zipfile.is_zipfile(io.BytesIO(Archive().add(IMAGES)))


def test_files_have_names_of_their_own() -> None:
    archive = Archive()
    data = archive.add_file("a/b.png", b"one") + archive.add_file("c.json", b"{}") + archive.end()
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert {name: found.read(name) for name in found.namelist()} == {
            "a/b.png": b"one",
            "c.json": b"{}",
        }
