"""The command line against the real service, with interruptions."""

import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mirage.client import Client
from mirage.client.__main__ import main
from mirage.client.record import lock_dataset, read_record
from tests.client.ended import KILLED_BEFORE_A_RENAME, ended
from tests.client.servers import Answer, Proxy

Captured = pytest.CaptureFixture[str]

# The system kills the process in the write that exceeds this file size.
ENDED_AT_A_SIZE = """
import resource, signal, sys
from mirage.client.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def run(url: str, output: Path, *arguments: str, count: int = 30) -> int:
    return main(arguments_of(url, output, *arguments, count=count))


def arguments_of(url: str, output: Path, *arguments: str, count: int = 30) -> list[str]:
    return ["generate", "--url", url, "--count", str(count), "-o", str(output), *arguments]


def files(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def test_writes_the_images_of_the_model(url: str, client: Client, tmp_path: Path) -> None:
    assert run(url, tmp_path, "--seed", "7", "--label", "3") == 0
    images = client.generate(30, seed=7, labels=3)
    found = files(tmp_path)
    assert [found[f"{image.index:06}.png"] for image in images] == [image.png for image in images]
    assert found.keys() - {f"{image.index:06}.png" for image in images} == {
        "labels.csv",
        "mirage.json",
    }


def test_prints_a_summary(url: str, tmp_path: Path, capsys: Captured) -> None:
    assert run(url, tmp_path / "toy.tar", "--seed", "7") == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'toy.tar'}: 30 images of toy@1, seed 7\n"
    assert captured.err == ""


def test_an_archive_interrupted_at_any_size_is_completed_identically(
    url: str, tmp_path: Path
) -> None:
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
def test_a_dataset_killed_between_files_is_completed_identically(
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


def test_does_not_request_existing_images(url: str, proxy: Proxy, tmp_path: Path) -> None:
    run(url, tmp_path, "--page-size", "10", count=30)
    (tmp_path / "000017.png").unlink()
    proxy.reset()
    assert run(url, tmp_path, "--page-size", "10", count=30) == 0
    asked = [asked.body for asked in proxy.requests if asked.path == "/generate"]
    assert len(asked) == 1
    assert b'"index":17' in asked[0]


def test_a_random_seed_is_recorded(url: str, tmp_path: Path) -> None:
    run(url, tmp_path / "a.tar", count=3)
    run(url, tmp_path / "a.tar", count=6)
    record = read_record(tmp_path / "a.mirage.json")
    assert record is not None
    run(url, tmp_path / "b.tar", "--seed", str(record.seed), count=6)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "8"], "seed is 8"),
        (["--labels", "3"], "labels is (3,)"),
        (["--version", "2"], "version is 2"),
        (["--model", "named"], "model is 'named'"),
        (["--truncation", "0.5"], "truncation is 0.5"),
        (["--by-class"], "by_class is True"),
    ],
)
def test_rejects_other_parameters_than_the_existing_dataset(
    url: str, tmp_path: Path, capsys: Captured, arguments: list[str], message: str
) -> None:
    run(url, tmp_path, "--seed", "7", count=3)
    before = files(tmp_path)
    assert run(url, tmp_path, *arguments, count=9) == 3
    assert f"error: {message}; the dataset of" in capsys.readouterr().err
    assert files(tmp_path) == before


def test_does_not_write_to_an_unrelated_folder(url: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "000000.png").write_bytes(b"holiday")
    assert run(url, tmp_path) == 3
    assert "exists and was not created by this command" in capsys.readouterr().err
    assert files(tmp_path) == {"000000.png": b"holiday"}


def test_an_error_before_the_first_image_leaves_nothing(url: str, tmp_path: Path) -> None:
    assert run(url, tmp_path / "out", "--model", "gone") == 3
    assert list(tmp_path.iterdir()) == []


def test_rejects_class_names_outside_of_the_folder(url: str, tmp_path: Path) -> None:
    assert run(url, tmp_path / "out", "--model", "hostile", "--by-class") == 3
    assert list(tmp_path.iterdir()) == []


def test_writes_archives_of_a_model_without_classes(url: str, tmp_path: Path) -> None:
    assert run(url, tmp_path / "plain.tar", "--model", "plain", count=2) == 0
    with tarfile.open(tmp_path / "plain.tar") as tar:
        assert tar.getnames() == ["000000.png", "000000.json", "000001.png", "000001.json"]


def test_two_commands_cannot_write_to_one_dataset(
    url: str, tmp_path: Path, capsys: Captured
) -> None:
    run(url, tmp_path, count=3)
    record = read_record(tmp_path / "mirage.json")
    assert record is not None
    with lock_dataset(tmp_path / "mirage.json", record):
        assert run(url, tmp_path, count=9) == 5
    assert "error: another process is writing to the dataset" in capsys.readouterr().err


def test_retries_while_the_server_is_busy(url: str, proxy: Proxy, tmp_path: Path) -> None:
    proxy.answers = [Answer(status, {"retry-after": "0"}) for status in (429, 503, 429)]
    assert run(url, tmp_path) == 0


def test_fails_at_once_without_a_server(tmp_path: Path, capsys: Captured) -> None:
    assert run("http://127.0.0.1:1", tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith("error: GET /models failed: ")
    assert list(tmp_path.iterdir()) == []


def test_lists_models(url: str, capsys: Captured) -> None:
    assert main(["models", "--url", url]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["MODEL", "RELEASED", "VERSIONS"]
    assert ["toy", "(default)", "1", "1", "2"] in rows
    assert ["unreleased", "-", "1"] in rows


def test_reads_the_key_from_a_file(url: str, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert main(["models", "--url", url, "--key-file", str(tmp_path / "key")]) == 0
    assert proxy.requests[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["generate", "-o", "x"], "required: --count"),
        (
            ["generate", "-o", "x", "--count", "0"],
            "--count: it is 0; whole numbers from 1 are allowed",
        ),
        (["generate", "-o", "x", "--count", "x"], "argument --count: it is 'x', not a number"),
        (["generate", "-o", "x", "--count", "1", "--seed", "-1"], "--seed: it is -1; 0 … 2^64"),
        (["generate", "-o", "x", "--count", "1", "--truncation", "0"], "it is 0.0; 0 < T ≤ 1"),
        (["generate", "-o", "x.tar", "--count", "1", "--by-class"], "--by-class needs a folder"),
        (
            ["generate", "-o", "x", "--count", "1", "--shard-size", "2"],
            "--shard-size needs an archive",
        ),
        (["models", "--url", "localhost:8000"], "url is 'localhost:8000'; http://HOST"),
        (["models", "--key-file", "/gone"], "No such file or directory: '/gone'"),
    ],
)
def test_explains_wrong_usage(arguments: list[str], message: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "mirage.client", "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "generate" in shown
