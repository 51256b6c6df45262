import os
import tarfile
from pathlib import Path

import pytest

from mirage_client.archive import Archive, ending, pack_file, part_of
from mirage_client.errors import DatasetError

SUFFIXES = (".png", ".cls")
SPAN = range(999_999, 1_000_002)
CONTENTS = {index: [bytes([index % 251]) * (index % 700 + 1), b"3"] for index in SPAN}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy.tar"


def fill(path: Path, span: range = SPAN) -> range:
    """Add what is missing; returns what that was."""
    archive = Archive(path, span, SUFFIXES)
    missing = archive.survey()
    for index in missing:
        archive.add(CONTENTS[index])
    return missing


def sample_ends() -> list[int]:
    """Where each sample ends in the file."""
    sizes = [sum(len(pack_file("", content)) for content in CONTENTS[index]) for index in SPAN]
    return [sum(sizes[: number + 1]) for number in range(len(sizes))]


def test_a_tar_reader_finds_the_samples(path: Path) -> None:
    assert fill(path) == SPAN
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        contents = [tar.extractfile(member).read() for member in members]
    assert [member.name for member in members][:3] == ["999999.png", "999999.cls", "1000000.png"]
    assert contents == [content for index in SPAN for content in CONTENTS[index]]
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}


@pytest.mark.parametrize("size", [0, 512, 9 * 1024, 10 * 1024, 10 * 1024 + 512])
def test_it_ends_as_tar_programs_end_it(size: int) -> None:
    assert ending(size) == bytes(len(ending(size)))
    assert len(ending(size)) >= 1024
    assert (size + len(ending(size))) % tarfile.RECORDSIZE == 0


def test_it_has_its_name_only_when_it_is_whole(path: Path) -> None:
    archive = Archive(path, SPAN, SUFFIXES)
    for index in SPAN:
        assert not path.exists()
        archive.add(CONTENTS[index])
    assert path.exists()
    assert not part_of(path).exists()


def test_cut_at_any_byte_it_goes_on_behind_the_last_whole_sample(path: Path) -> None:
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
def test_gone_on_with_it_ends_with_the_same_bytes(path: Path, number: int, before: int) -> None:
    fill(path)
    whole = path.read_bytes()
    path.unlink()
    part_of(path).write_bytes(whole[: sample_ends()[number] + before])
    fill(path)
    assert path.read_bytes() == whole
    assert not part_of(path).exists()


def test_what_is_whole_is_left_as_it_is(path: Path) -> None:
    fill(path)
    before = path.stat()
    assert fill(path) == range(0)
    assert path.stat() == before


def test_more_samples_are_added_to_a_finished_archive(path: Path) -> None:
    fill(path)
    whole = path.read_bytes()
    path.unlink()
    fill(path, SPAN[:1])
    assert fill(path) == SPAN[1:]
    assert path.read_bytes() == whole


def test_an_archive_that_holds_more_is_refused_and_kept(path: Path) -> None:
    fill(path)
    before = path.read_bytes()
    with pytest.raises(DatasetError, match="is damaged, or holds more samples than are asked for"):
        fill(path, SPAN[:2])
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", [0, 124, 2048])  # a name, a size, and what is not there
def test_a_damaged_archive_is_refused_and_kept(path: Path, place: int) -> None:
    fill(path)
    damaged = bytearray(path.read_bytes())
    damaged[place : place + 4] = b"\xff" * 4
    path.write_bytes(damaged)
    with pytest.raises(DatasetError, match="is damaged"):
        fill(path)
    assert path.read_bytes() == damaged
