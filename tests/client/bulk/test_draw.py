"""`draw` writes the shards that `generate` writes, in parts, by several processes."""

import os
import signal
import time
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


def test_a_draft_that_a_kill_left_is_removed_once_its_shard_exists(
    models_root: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    assert draw(models_root, tmp_path) == 0
    (tmp_path / ".images-000003.tar.0a1b2c3d.part").write_bytes(b"half")
    assert draw(models_root, tmp_path) == 0
    assert files(tmp_path) == whole


def test_existing_shards_are_not_drawn_again(
    models_root: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    assert draw(models_root, tmp_path) == 0
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "images-000002.tar").unlink()
    assert draw(models_root, tmp_path) == 0
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"images-000002.tar"}
    assert files(tmp_path) == whole


def begun(process: Popen[str], output: Path) -> None:
    """Return when a command has written its first shard."""
    while not any(output.glob("images-[0-9]*")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def children(process: Popen[str]) -> list[int]:
    """The processes that draw for a command."""
    found = []
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.append(int(pid))
    return found


LONG = ("--processes", "2", "--shard-size", "500")
"""Options of a run that does not end before it is killed."""


def test_the_processes_of_a_killed_command_end(models_root: Path, tmp_path: Path) -> None:
    process = started(arguments(models_root, tmp_path, *LONG, count="1e8"))
    begun(process, tmp_path)
    process.kill()
    process.communicate()  # returns when the last process that may write to the pipes has ended


def test_says_that_a_process_was_killed(models_root: Path, tmp_path: Path) -> None:
    process = started(arguments(models_root, tmp_path, *LONG, count="1e8"))
    begun(process, tmp_path)
    first, second = children(process)
    os.kill(first, signal.SIGKILL)
    assert "error: a process ended with exit code -9; run" in process.communicate()[1]
    assert process.returncode == 1
    assert not Path(f"/proc/{second}").exists()


def test_an_interrupt_ends_all_processes(models_root: Path, tmp_path: Path) -> None:
    process = started(arguments(models_root, tmp_path, *LONG, count="1e8"))
    begun(process, tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "error: interrupted; run the same command to continue\n")
    assert process.returncode == 1


def test_one_part_may_run_twice_at_once(
    models_root: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    twins = [started(arguments(models_root, tmp_path)) for _ in range(2)]
    assert [(twin.communicate()[1], twin.returncode) for twin in twins] == [("", 0)] * 2
    assert files(tmp_path) == whole


def test_parts_that_start_together_agree_on_a_random_seed(
    models_root: Path, tmp_path: Path, capsys: Captured
) -> None:
    words = ["draw", "toy", "--models", str(models_root), "--count", "30", "-o", str(tmp_path)]
    words += ["--shard-size", "7", "--processes", "1"]
    parts = [started([*words, "--part", str(part), "--of", "2"]) for part in range(2)]
    shown = [part.communicate()[0].split("seed ")[1] for part in parts]
    assert shown[0] == shown[1]
    assert main(["draw", "--verify", "-o", str(tmp_path)]) == 0


def test_every_shard_of_a_part_is_worked_on_once() -> None:
    for shards_of_part in (range(0), range(3, 4), range(1, 100, 7)):
        assert sorted(turned(shards_of_part)) == list(shards_of_part)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seed", "8"), "seed is 8"),
        (("--labels", "3"), "labels is (3,)"),
        (("--version", "2"), "version is 2"),
        (("--truncation", "0.5"), "truncation is 0.5"),
        (("--shard-size", "8"), "shard_size is 8"),
        (("--format", "parquet"), "format is 'parquet'"),
        (("--count", "31"), "count is 31"),
    ],
)
def test_rejects_other_settings_than_the_existing_dataset(
    models_root: Path,
    tmp_path: Path,
    capsys: Captured,
    options: tuple[str, str],
    message: str,
) -> None:
    assert draw(models_root, tmp_path, "--part", "1", "--of", "5") == 0
    before = files(tmp_path)
    assert draw(models_root, tmp_path, *options) == 3
    assert f"error: {message}; the dataset of {tmp_path}/images." in capsys.readouterr().err
    assert files(tmp_path) == before


def test_rejects_another_model(models_root: Path, tmp_path: Path, capsys: Captured) -> None:
    assert draw(models_root, tmp_path) == 0
    assert main(arguments(models_root, tmp_path, model="named")) == 3
    assert "error: model is 'named'; the dataset of" in capsys.readouterr().err


def test_a_refused_command_leaves_nothing(
    models_root: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert draw(models_root, tmp_path / "new", "--labels", "dog") == 3
    assert "label is 'dog'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_shards_of_others_are_not_taken_for_its_own(
    models_root: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "images-000000.tar").write_bytes(b"holiday")
    assert draw(models_root, tmp_path) == 3
    assert f"{tmp_path} has shards that this command did not write" in capsys.readouterr().err
    assert files(tmp_path) == {"images-000000.tar": b"holiday"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy", "-o", "x"], "the following arguments are required: --count"),
        (["-o", "x"], "the following arguments are required: MODEL, --count"),
        (["toy", "-o", "x", "--count", "1e-3"], "it is 1e-3; whole numbers from 1 are allowed"),
        (["toy", "-o", "x", "--count", "1.5"], "it is 1.5; whole numbers from 1 are allowed"),
        (["toy", "-o", "x", "--count", "nan"], "it is nan; whole numbers from 1 are allowed"),
        (["toy", "-o", "x", "--count", "many"], "it is 'many', not a number"),
        (["toy", "-o", "x.tar", "--count", "9", "--part", "1"], "--part needs a folder or URL"),
        (["toy", "-o", "x.png", "--count", "1", "--format", "tar"], "--format needs a folder"),
        (["toy", "-o", "x", "--count", "9", "--part", "1"], "--part and --of belong together"),
        (["toy", "-o", "x", "--count", "9", "--by-class", "--of", "2"], "--by-class needs"),
        (
            ["toy", "-o", "x", "--verify"],
            "--verify reads the settings of the dataset; remove MODEL",
        ),
        (["-o", "x", "--verify", "--seed", "7"], "remove --seed"),
    ],
)
def test_says_which_options_do_not_fit(words: list[str], message: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["draw", *words])
    written = capsys.readouterr().err
    assert message in written
    assert written.startswith("usage: mirage-client draw ")
