from pathlib import Path

import pytest

from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import list_versions
from mirage.training.__main__ import main
from tests.training.helpers.datasets import write_idx_folder
from tests.training.helpers.files import png, write_tree
from tests.training.helpers.runs import write_run
from tests.training.runs.test_loop import arguments


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_trains_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_idx_folder(data)
    run = tmp_path / "run"
    assert main([*arguments(data, run), "--threads", "1"]) == 0
    models = tmp_path / "models"
    assert main(["export", str(run), "--to", str(models / "toy"), "--license", "mit"]) == 0
    published = str(models / "toy" / "1")
    assert main(["export", published, "--to", str(models / "toy")]) == 0  # no changes
    assert capsys.readouterr().out.split() == [published, published]
    assert list_versions(models, "toy") == [1]


def test_numbered_class_folders_keep_their_numbers_in_the_bundle(tmp_path: Path) -> None:
    files = {f"{number}/a.png": png(20 * number) for number in range(12)}
    data, run, models = write_tree(tmp_path / "data", files), tmp_path / "run", tmp_path / "models"
    assert main([*arguments(data, run), "--threads", "1"]) == 0
    assert main(["export", str(run), "--to", str(models / "toy"), "--license", "mit"]) == 0
    assert read_manifest(models / "toy" / "1").labels == tuple(map(str, range(12)))


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("train --data {0}/none --run {0}/run", 3, "there is no such file or folder"),
        ("train --data {0} --run {0}/run --preset nist", 2, "--preset is nist"),
        ("train --data {0} --run {0}/run --set lr", 2, "--set is lr; expected KEY=VALUE"),
        ("train --data {0} --run {0}/run --kimg -1", 2, "kimg is -1.0"),
        ("export {0}/none --to {0}/models/toy", 3, "is no run"),
        ("evaluate {0}/none --data {0}", 3, ""),
    ],
)
def test_an_error_prints_one_line_and_sets_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, code: int, said: str
) -> None:
    assert main(command.format(tmp_path).split()) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            "--set widths=8,8,8,8,8",
            "images are 8x8; with 5 stages both sides must be divisible by 16",
        ),
        ("--set blocks=1", "blocks has 1 entries, widths 2"),
        ("--kimg inf", "kimg is inf: Input should be a finite number"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_usage_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, said: str
) -> None:
    write_idx_folder(tmp_path)
    assert main([*arguments(tmp_path, tmp_path / "run"), *flags.split()]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1"])
def test_threads_are_at_least_one(capsys: pytest.CaptureFixture[str], count: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", "--data", "x", "--run", "y", f"--threads={count}"])
    assert left.value.code == 2
    assert f"{count} is below 1" in capsys.readouterr().err


def test_one_folder_of_pictures_trains_with_the_default_preset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = {f"photos/{n:02}.png": png(n, (8, 8)) for n in range(32)}
    write_tree(tmp_path / "my-images", pictures | {"photos/a.heic": b""})
    assert main([*arguments(tmp_path / "my-images", tmp_path / "run"), "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert "note: passed over 1 .heic, which are not read as images\n" in said
    assert "note: all images are of one class, photos, so the model has no classes\n" in said


def test_an_os_error_prints_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, file = tmp_path / "data", tmp_path / "file"
    data.mkdir()
    write_idx_folder(data)
    file.write_bytes(b"")
    assert main(arguments(data, file / "run")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    assert "Traceback" not in "".join(lines)


def test_a_run_with_other_settings_is_refused_before_it_is_announced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_tree(tmp_path / "data", {f"{n:02}.png": png(n, (8, 8)) for n in range(32)})
    write_run(tmp_path / "run")
    assert main(arguments(data, tmp_path / "run")) == 2
    said = capsys.readouterr().err
    assert "was started with other data" in said
    assert "stop           with Ctrl+C" not in said


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--no-such-flag"])
    assert exit_.value.code == 2
    assert "usage:" in capsys.readouterr().err
