"""The command line against the real service, killed and started again."""

import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mirage_client import Client
from mirage_client.__main__ import main
from mirage_client.record import held, read_record
from tests.client.servers import Answer, Front

Captured = pytest.CaptureFixture[str]

# The system ends the process in the middle of the write that would make a file larger than this.
ENDED_AT_A_SIZE = """
import resource, signal, sys
from mirage_client.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""
# The process ends itself instead of giving a file its name.
KILLED_BEFORE_A_RENAME = """
import os, signal, sys
from mirage_client.__main__ import main
left, replace = int(sys.argv[1]), os.replace
def replace_or_die(source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = replace_or_die
sys.exit(main(sys.argv[2:]))
"""


def run(url: str, output: Path, *arguments: str, count: int = 30) -> int:
    return main(arguments_of(url, output, *arguments, count=count))


def arguments_of(url: str, output: Path, *arguments: str, count: int = 30) -> list[str]:
    return ["generate", "--url", url, "--count", str(count), "-o", str(output), *arguments]


def ended(program: str, limit: int, arguments: list[str]) -> int:
    """How a process ends that carries out a command; negative for a signal."""
    command = [sys.executable, "-c", program, str(limit), *arguments]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode


def files(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def test_a_folder_holds_the_images_of_the_model(url: str, client: Client, tmp_path: Path) -> None:
    assert run(url, tmp_path, "--seed", "7", "--label", "3") == 0
    images = client.generate(30, seed=7, labels=3)
    found = files(tmp_path)
    assert [found[f"{image.index:06}.png"] for image in images] == [image.png for image in images]
    assert found.keys() - {f"{image.index:06}.png" for image in images} == {
        "labels.csv",
        "mirage.json",
    }


def test_it_says_what_it_made(url: str, tmp_path: Path, capsys: Captured) -> None:
    assert run(url, tmp_path / "toy.tar", "--seed", "7") == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'toy.tar'}: 30 images of toy@1, seed 7\n"
    assert captured.err == ""


def test_ended_at_any_size_an_archive_comes_out_the_same(url: str, tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    assert run(url, once / "toy.tar", "--seed", "7") == 0
    record, whole = (once / "toy.mirage.json"), (once / "toy.tar").stat().st_size
    sample = 3 * 1024
    arguments = arguments_of(url, again / "toy.tar", "--seed", "7")
    sizes = [record.stat().st_size // 2, sample - 1, sample, sample + 1, 7 * sample + 700]
    for size in [*sizes, 30 * sample, 30 * sample + 1, whole - 1]:
        assert ended(ENDED_AT_A_SIZE, size, arguments) == -signal.SIGXFSZ
        assert max(path.stat().st_size for path in again.iterdir()) == size
    assert ended(KILLED_BEFORE_A_RENAME, 0, arguments) == -signal.SIGKILL
    assert run(url, again / "toy.tar", "--seed", "7") == 0
    assert files(again) == files(once)


@pytest.mark.parametrize("name", ["out", "out.tar"])
def test_killed_between_files_a_dataset_comes_out_the_same(
    url: str, tmp_path: Path, name: str
) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    options = ["--seed", "7", *(["--shard-size", "4"] if name.endswith(".tar") else [])]
    assert run(url, once / name, *options) == 0
    arguments = arguments_of(url, again / name, *options)
    for renames in (0, 1, 3):
        assert ended(KILLED_BEFORE_A_RENAME, renames, arguments) == -signal.SIGKILL
    assert run(url, again / name, *options) == 0
    assert files(again) == files(once)


def test_what_is_there_is_not_asked_for_again(url: str, front: Front, tmp_path: Path) -> None:
    run(url, tmp_path, "--page-size", "10", count=30)
    (tmp_path / "000017.png").unlink()
    front.reset()
    assert run(url, tmp_path, "--page-size", "10", count=30) == 0
    asked = [asked.body for asked in front.requests if asked.path == "/generate"]
    assert len(asked) == 1
    assert b'"index":17' in asked[0]


def test_a_drawn_seed_is_remembered(url: str, tmp_path: Path) -> None:
    run(url, tmp_path / "a.tar", count=3)
    run(url, tmp_path / "a.tar", count=6)
    record = read_record(tmp_path / "a.mirage.json")
    assert record is not None
    run(url, tmp_path / "b.tar", "--seed", str(record.seed), count=6)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "8"], "seed would be 8"),
        (["--labels", "3"], "labels would be (3,)"),
        (["--version", "2"], "version would be 2"),
        (["--model", "named"], "model would be 'named'"),
        (["--truncation", "0.5"], "truncation would be 0.5"),
        (["--by-class"], "by_class would be True"),
    ],
)
def test_other_images_are_not_mixed_in(
    url: str, tmp_path: Path, capsys: Captured, arguments: list[str], message: str
) -> None:
    run(url, tmp_path, "--seed", "7", count=3)
    before = files(tmp_path)
    assert run(url, tmp_path, *arguments, count=9) == 3
    assert f"error: {message}; the dataset of" in capsys.readouterr().err
    assert files(tmp_path) == before


def test_a_folder_of_something_else_is_left_alone(
    url: str, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "000000.png").write_bytes(b"holiday")
    assert run(url, tmp_path) == 3
    assert "holds something that this command did not begin" in capsys.readouterr().err
    assert files(tmp_path) == {"000000.png": b"holiday"}


def test_a_refusal_before_the_first_image_leaves_nothing(url: str, tmp_path: Path) -> None:
    assert run(url, tmp_path / "out", "--model", "gone") == 3
    assert list(tmp_path.iterdir()) == []


def test_a_class_may_not_lead_out_of_the_folder(url: str, tmp_path: Path) -> None:
    assert run(url, tmp_path / "out", "--model", "hostile", "--by-class") == 3
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_classes_makes_archives_too(url: str, tmp_path: Path) -> None:
    assert run(url, tmp_path / "plain.tar", "--model", "plain", count=2) == 0
    with tarfile.open(tmp_path / "plain.tar") as tar:
        assert tar.getnames() == ["000000.png", "000000.json", "000001.png", "000001.json"]


def test_two_commands_do_not_write_one_dataset(url: str, tmp_path: Path, capsys: Captured) -> None:
    run(url, tmp_path, count=3)
    record = read_record(tmp_path / "mirage.json")
    assert record is not None
    with held(tmp_path / "mirage.json", record):
        assert run(url, tmp_path, count=9) == 5
    assert "error: another process is writing to the dataset" in capsys.readouterr().err


def test_a_busy_server_is_asked_again(url: str, front: Front, tmp_path: Path) -> None:
    front.answers = [Answer(status, {"retry-after": "0"}) for status in (429, 503, 429)]
    assert run(url, tmp_path) == 0


def test_no_server_is_an_error_and_no_wait(tmp_path: Path, capsys: Captured) -> None:
    assert run("http://127.0.0.1:1", tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith("error: GET /models failed: ")
    assert list(tmp_path.iterdir()) == []


def test_models_are_listed(url: str, capsys: Captured) -> None:
    assert main(["models", "--url", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["MODEL", "RELEASED", "VERSIONS"]
    assert "toy (default)  1         1 2" in lines
    assert "unreleased     -         1" in lines


def test_the_key_is_read_from_a_file(url: str, front: Front, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert main(["models", "--url", url, "--key-file", str(tmp_path / "key")]) == 0
    assert front.requests[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["generate", "-o", "x"], "required: --count"),
        (["generate", "-o", "x", "--count", "0"], "--count: it is 0; at least 1 is allowed"),
        (["generate", "-o", "x", "--count", "x"], "argument --count: invalid"),
        (["generate", "-o", "x", "--count", "1", "--seed", "-1"], "--seed: it is -1; 0 … 2^64"),
        (["generate", "-o", "x", "--count", "1", "--truncation", "0"], "it is 0.0; 0 < T ≤ 1"),
        (["generate", "-o", "x.tar", "--count", "1", "--by-class"], "--by-class makes folders"),
        (["generate", "-o", "x", "--count", "1", "--shard-size", "2"], "--shard-size splits"),
        (["models", "--url", "localhost:8000"], "url is 'localhost:8000'; http://HOST"),
        (["models", "--key-file", "/gone"], "No such file or directory: '/gone'"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], message: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "mirage_client", "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "generate" in shown
