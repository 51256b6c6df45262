import os
import tarfile
from pathlib import Path

import pytest

from mirage.client.archive import Archive, ending, pack_file, part_of
from mirage.client.errors import DatasetError

SUFFIXES = (".png", ".cls")
SPAN = range(999_999, 1_000_002)
CONTENTS = {index: [bytes([index % 251]) * (index % 700 + 1), b"3"] for index in SPAN}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy.tar"


def fill(path: Path, span: range = SPAN) -> range:
    """Add the missing images; returns their indices."""
    archive = Archive(path, span, SUFFIXES)
    missing = archive.survey()
    for index in missing:
        archive.add(CONTENTS[index])
    return missing


def sample_ends() -> list[int]:
    """The end of each sample in the file."""
    sizes = [sum(len(pack_file("", content)) for content in CONTENTS[index]) for index in SPAN]
    return [sum(sizes[: number + 1]) for number in range(len(sizes))]


def test_is_readable_by_tarfile(path: Path) -> None:
    assert fill(path) == SPAN
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        contents = [tar.extractfile(member).read() for member in members]
    assert [member.name for member in members][:3] == ["999999.png", "999999.cls", "1000000.png"]
    assert contents == [content for index in SPAN for content in CONTENTS[index]]
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}


@pytest.mark.parametrize("size", [0, 512, 9 * 1024, 10 * 1024, 10 * 1024 + 512])
def test_ends_like_an_archive_of_tarfile(size: int) -> None:
    assert ending(size) == bytes(len(ending(size)))
    assert len(ending(size)) >= 1024
    assert (size + len(ending(size))) % tarfile.RECORDSIZE == 0


def test_is_renamed_when_complete(path: Path) -> None:
    archive = Archive(path, SPAN, SUFFIXES)
    for index in SPAN:
        assert not path.exists()
        archive.add(CONTENTS[index])
    assert path.exists()
    assert not part_of(path).exists()


def test_truncated_at_any_byte_it_continues_after_the_last_complete_sample(path: Path) -> None:
    fill(path)
    whole = path.read_bytes()
    path.unlink()
    ends = sample_ends()
    part_of(path).write_bytes(whole)
    for size in range(ends[-1] - 1, -1, -1):
        os.truncate(part_of(path), size)
        missing = Archive(path, SPAN, SUFFIXES).survey()
        assert len(SPAN) - len(missing) == sum(end <= size for end in ends), size


@pytest.mark.parametrize("before", [-513, -512, -1, 0, 1, 511, 512, 513, 1024])
@pytest.mark.parametrize("number", range(len(SPAN)))
def test_continuing_gives_the_same_bytes(path: Path, number: int, before: int) -> None:
    fill(path)
    whole = path.read_bytes()
    path.unlink()
    part_of(path).write_bytes(whole[: sample_ends()[number] + before])
    fill(path)
    assert path.read_bytes() == whole
    assert not part_of(path).exists()


def test_does_not_change_a_complete_archive(path: Path) -> None:
    fill(path)
    before = path.stat()
    assert fill(path) == range(0)
    assert path.stat() == before


def test_adds_samples_to_a_complete_archive(path: Path) -> None:
    fill(path)
    whole = path.read_bytes()
    path.unlink()
    fill(path, SPAN[:1])
    assert fill(path) == SPAN[1:]
    assert path.read_bytes() == whole


def test_rejects_and_keeps_an_archive_with_more_samples(path: Path) -> None:
    fill(path)
    before = path.read_bytes()
    with pytest.raises(DatasetError, match="is damaged, or has more samples than requested"):
        fill(path, SPAN[:2])
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", [0, 124, 2048])  # a name, a size, and trailing data
def test_rejects_and_keeps_a_damaged_archive(path: Path, place: int) -> None:
    fill(path)
    damaged = bytearray(path.read_bytes())
    damaged[place : place + 4] = b"\xff" * 4
    path.write_bytes(damaged)
    with pytest.raises(DatasetError, match="is damaged"):
        fill(path)
    assert path.read_bytes() == damaged
