from dataclasses import replace
from pathlib import Path

import pytest

from mirage.client.errors import DatasetError
from mirage.client.folder import Folder, runs
from mirage.client.record import Record
from tests.client.test_record import RECORD


def fill(root: Path, record: Record, count: int) -> list[range]:
    """Add the missing images; returns their indices."""
    root.mkdir(exist_ok=True)
    folder = Folder(root)
    gaps = folder.missing(record, count)
    for gap in gaps:
        for index in gap:
            folder.add(index, b"image %d" % index)
    folder.finish()
    folder.close()
    return gaps


def files(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def test_writes_images_with_a_table_of_labels(tmp_path: Path) -> None:
    fill(tmp_path, RECORD, 2)
    assert files(tmp_path) == {
        "000000.png": b"image 0",
        "000001.png": b"image 1",
        "labels.csv": "file,label,class\n000000.png,2,ç\n000001.png,0,a\n".encode(),
    }


def test_writes_images_to_folders_by_class(tmp_path: Path) -> None:
    fill(tmp_path, replace(RECORD, by_class=True), 3)
    assert sorted(files(tmp_path)) == ["a/000001.png", "ç/000000.png", "ç/000002.png"]


def test_a_model_without_classes_has_no_table(tmp_path: Path) -> None:
    plain = replace(RECORD, labels=(), classes=())
    fill(tmp_path, plain, 1)
    assert sorted(files(tmp_path)) == ["000000.png"]
    with pytest.raises(DatasetError, match="toy has no classes for --by-class"):
        Folder(tmp_path).check(replace(plain, by_class=True))


def test_reports_only_missing_images(tmp_path: Path) -> None:
    fill(tmp_path, RECORD, 9)
    before = files(tmp_path)
    for name in ("000003.png", "000004.png", "000008.png", "labels.csv"):
        (tmp_path / name).unlink()
    (tmp_path / ".000003.png").write_bytes(b"ima")  # left by a killed writer
    assert fill(tmp_path, RECORD, 9) == [range(3, 5), range(8, 9)]
    assert files(tmp_path) == before


@pytest.mark.parametrize("by_class", [False, True])
def test_rejects_a_smaller_count_than_exists(tmp_path: Path, by_class: bool) -> None:
    record = replace(RECORD, by_class=by_class)
    fill(tmp_path, record, 5)
    with pytest.raises(DatasetError, match=r"count is 3; .* has more images already"):
        fill(tmp_path, record, 3)


@pytest.mark.parametrize("name", ["../cat", "a/b", "a\\b", ".", "..", ".cat", "", "a\0b"])
def test_rejects_a_class_name_that_is_not_a_folder_name(tmp_path: Path, name: str) -> None:
    record = replace(RECORD, classes=("dog", "x", name))
    Folder(tmp_path).check(record)
    Folder(tmp_path).check(replace(record, by_class=True, labels=(0, 1)))
    with pytest.raises(DatasetError, match="it cannot name a folder"):
        Folder(tmp_path).check(replace(record, by_class=True))


def test_is_occupied_by_anything_except_the_record(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    assert not folder.occupied()
    folder.record_path.parent.mkdir()
    folder.record_path.touch()
    assert not folder.occupied()
    (tmp_path / "out" / "holiday.png").touch()
    assert folder.occupied()


def test_runs_are_ranges_without_gaps() -> None:
    assert list(runs([])) == []
    assert list(runs([0, 1, 2, 5, 7, 8])) == [range(3), range(5, 6), range(7, 9)]
