import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from mirage.client.errors import DatasetError
from mirage.client.record import Record
from mirage.client.tar import Tar
from tests.client.test_record import RECORD


def fill(path: Path, record: Record, count: int) -> list[range]:
    """Add the missing images; returns their indices."""
    tar = Tar(path)
    gaps = list(tar.missing(record, count))
    for gap in gaps:
        for index in gap:
            tar.add(index, b"image %d" % index)
    tar.finish()
    tar.close()
    return gaps


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_a_sample_has_image_class_and_parameters(tmp_path: Path) -> None:
    fill(tmp_path / "toy.tar", RECORD, 2)
    found = members(tmp_path / "toy.tar")
    assert list(found) == [
        *("000000.png", "000000.cls", "000000.json"),
        *("000001.png", "000001.cls", "000001.json"),
    ]
    assert (found["000001.png"], found["000001.cls"]) == (b"image 1", b"0")
    assert json.loads(found["000001.json"]) == RECORD.caption(1)


def test_a_model_without_classes_has_no_class_files(tmp_path: Path) -> None:
    fill(tmp_path / "toy.tar", replace(RECORD, labels=(), classes=()), 1)
    assert list(members(tmp_path / "toy.tar")) == ["000000.png", "000000.json"]


def test_shards_have_shard_size_images(tmp_path: Path) -> None:
    fill(tmp_path / "toy.tar", replace(RECORD, shard_size=2), 5)
    assert sorted(files(tmp_path)) == ["toy-000000.tar", "toy-000001.tar", "toy-000002.tar"]
    assert "000003.png" in members(tmp_path / "toy-000001.tar")
    assert next(iter(members(tmp_path / "toy-000002.tar"))) == "000004.png"


@pytest.mark.parametrize("shard_size", [None, 2])
def test_adds_images(tmp_path: Path, shard_size: int | None) -> None:
    record = replace(RECORD, shard_size=shard_size)
    once, again = tmp_path / "once", tmp_path / "again"
    once.mkdir()
    again.mkdir()
    fill(once / "toy.tar", record, 7)
    assert fill(again / "toy.tar", record, 3)
    assert fill(again / "toy.tar", record, 7)[0].start == 3
    assert files(again) == files(once)
    assert fill(again / "toy.tar", record, 7) == []


def test_recreates_a_missing_shard(tmp_path: Path) -> None:
    record = replace(RECORD, shard_size=2)
    fill(tmp_path / "toy.tar", record, 6)
    before = files(tmp_path)
    (tmp_path / "toy-000001.tar").unlink()
    assert fill(tmp_path / "toy.tar", record, 6) == [range(2, 4)]
    assert files(tmp_path) == before


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("shard_size", [None, 2])
def test_rejects_a_smaller_count_than_exists(
    tmp_path: Path, shard_size: int | None, count: int
) -> None:
    record = replace(RECORD, shard_size=shard_size)
    fill(tmp_path / "toy.tar", record, 5)
    before = files(tmp_path)
    with pytest.raises(DatasetError, match="more"):
        fill(tmp_path / "toy.tar", record, count)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["toy.tar", "toy.tar.part", "toy-000000.tar", "toy-000000.tar.part"]
)
def test_is_occupied_by_an_archive_of_its_name(tmp_path: Path, name: str) -> None:
    tar = Tar(tmp_path / "toy.tar")
    (tmp_path / "other.tar").touch()
    (tmp_path / "toy-2.tar").touch()
    assert not tar.occupied()
    (tmp_path / name).touch()
    assert tar.occupied()
