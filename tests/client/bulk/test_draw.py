"""`draw` writes the shards that `generate` writes, in parts, by several processes."""

import os
import signal
from pathlib import Path
from subprocess import Popen

import pytest

from mirage.client.__main__ import main
from mirage.client.bulk.draw import turned
from tests.client.bulk.draws import (
    KILLED_BEFORE_A_LINK,
    arguments,
    draw,
    files,
    shards,
    started,
)
from tests.client.ended import ended

Captured = pytest.CaptureFixture[str]
HELD = {"MIRAGE_MAX_BATCH_SIZE": "1"}


@pytest.fixture(scope="module")
def whole(models_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an uninterrupted run."""
    output = tmp_path_factory.mktemp("whole")
    assert draw(models_root, output) == 0
    return files(output)


@pytest.mark.parametrize("options", [(), ("--labels", "3,4", "--truncation", "0.5")])
def test_writes_the_shards_and_the_record_that_generate_writes(
    url: str, models_root: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    served = tmp_path / "served"
    words = ["--model", "toy", "--count", "30", "--seed", "7", "--shard-size", "7", *options]
    assert main(["generate", "--url", url, *words, "-o", str(served / "images.tar")]) == 0
    assert draw(models_root, tmp_path / "drawn", *options) == 0
    drawn = files(tmp_path / "drawn")
    assert drawn.pop("images.plan.json")
    assert drawn == files(served)


@pytest.mark.parametrize("of", [2, 3, 9])
def test_parts_make_the_files_of_the_whole(
    models_root: Path, tmp_path: Path, of: int, whole: dict[str, bytes], capsys: Captured
) -> None:
    for part in reversed(range(of)):
        before = shards(tmp_path).keys()
        assert draw(models_root, tmp_path, "--part", str(part), "--of", str(of)) == 0
        added = sorted(shards(tmp_path).keys() - before)
        assert added == [f"images-{shard:06}.tar" for shard in range(part, 5, of)]
    assert files(tmp_path) == whole
    shown = capsys.readouterr().out.splitlines()[-1]
    images = sum(min(7, 30 - 7 * shard) for shard in range(0, 5, of))
    assert shown == f"{tmp_path}: part 0 of {of}, {images} images of toy@1, seed 7"


def test_the_part_is_that_of_an_indexed_job(
    models_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert draw(models_root, tmp_path, "--of", "3") == 0
    assert sorted(shards(tmp_path)) == ["images-000001.tar", "images-000004.tar"]


def test_several_processes_write_the_same_files(
    models_root: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    assert draw(models_root, tmp_path, "--processes", "2") == 0
    assert files(tmp_path) == whole


def test_killed_before_each_file_it_continues(
    models_root: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    words = arguments(models_root, tmp_path)
    for links in (0, 1, 0, 2):
        before = shards(tmp_path)
        assert ended(KILLED_BEFORE_A_LINK, links, words) == -signal.SIGKILL
        assert len(shards(tmp_path)) <= len(before) + links
    assert main(words) == 0
    assert files(tmp_path) == whole


def children(process: Popen[str]) -> list[int]:
    """The processes that another one has started."""
    return [
        int(pid)
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
