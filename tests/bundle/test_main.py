import os
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.bundle.__main__ import main
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.release import Canary, Release, read_release
from tests.bundles import make_bundle

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with two versions of a toy, none released."""
    for _ in range(2):
        make_bundle(tmp_path)
    return tmp_path


def run(root: Path, *arguments: str) -> int:
    return main([*arguments, "--models", str(root)])


def test_list_shows_every_version(root: Path, capsys: Captured) -> None:
    assert run(root, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["MODEL", "VERSION", "STATE"]
    assert [line.split()[:3] for line in lines[1:]] == [["toy", "1", "-"], ["toy", "2", "-"]]


def test_release_and_rollback_print_the_released_version(root: Path, capsys: Captured) -> None:
    for arguments in (["release", "toy", "1"], ["release", "toy", "2"], ["rollback", "toy"]):
        assert run(root, *arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy: version 1 is released, previous none",
        "toy: version 2 is released, previous 1",
        "toy: version 1 is released, previous 2",
    ]
    assert read_release(root, "toy") == Release(1, 2)


def test_release_prints_the_canary(root: Path, capsys: Captured) -> None:
    assert run(root, "release", "toy", "1", "--canary", "2", "--share", "0.05") == 0
    assert capsys.readouterr().out == (
        "toy: version 1 is released, previous none, canary 2 for 5.00%\n"
    )
    assert read_release(root, "toy") == Release(1, None, Canary(2, 0.05))
    assert run(root, "list") == 0
    assert "canary 5%" in capsys.readouterr().out


@pytest.mark.parametrize("half", [["--canary", "2"], ["--share", "0.05"]])
def test_canary_and_share_must_be_given_together(
    half: list[str], root: Path, capsys: Captured
) -> None:
    assert run(root, "release", "toy", "1", *half) == 2
    assert capsys.readouterr().err == "error: --canary and --share go together\n"
    assert read_release(root, "toy") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["0"], "name_invalid: version 0 is not in 1 … 999999999"),
        (["-1"], "name_invalid: version -1 is not in 1 … 999999999"),
        (["1", "--canary", "-2", "--share", "0.1"], "name_invalid: version -2 is not in 1 …"),
        (["1", "--canary", "1", "--share", "0.1"], "canary is 1, which is the released version"),
    ],
)
def test_release_names_a_version_that_cannot_be(
    root: Path, capsys: Captured, arguments: list[str], said: str
) -> None:
    assert run(root, "release", "toy", *arguments) == 3
    assert said in capsys.readouterr().err
    assert read_release(root, "toy") is None


def test_ensemble_publishes_without_releasing(root: Path, capsys: Captured) -> None:
    assert run(root, "ensemble", "toy", "1", "2:3") == 0
    assert capsys.readouterr().out == "toy@3: published, an ensemble of 2\n"
    assert read_release(root, "toy") is None
    assert run(root, "verify", "toy", "3") == 0
    assert run(root, "show", "toy", "3") == 0
    assert "1 (weight 1), 2 (weight 3)" in capsys.readouterr().out


def test_show_defaults_to_the_released_or_newest_version(root: Path, capsys: Captured) -> None:
    assert run(root, "show", "toy") == 0
    assert "toy@2" in capsys.readouterr().out
    run(root, "release", "toy", "1")
    assert run(root, "show", "toy") == 0
    assert "toy@1" in capsys.readouterr().out
    assert run(root, "show", "toy", "2") == 0
    assert "toy@2" in capsys.readouterr().out


def test_prune_prints_the_removed_versions(root: Path, capsys: Captured) -> None:
    assert run(root, "prune", "toy", "--keep", "1", "--dry-run") == 0
    assert run(root, "prune", "toy", "--keep", "1") == 0
    assert run(root, "prune", "toy", "--keep", "1") == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy@1: would be removed",
        "toy@1: removed",
        "toy: nothing to remove",
    ]


@pytest.mark.parametrize(
    ("arguments", "verified"),
    [([], ["1", "2"]), (["toy"], ["1", "2"]), (["toy", "2"], ["2"])],
    ids=["all", "model", "version"],
)
def test_verify_accepts_one_or_many_versions(
    arguments: list[str], verified: list[str], root: Path, capsys: Captured
) -> None:
    assert run(root, "verify", *arguments) == 0
    expected = [f"toy@{version}: sound, 4 files" for version in verified]
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.parametrize(
    ("folder", "versions"), [("toy/2", [2]), ("toy/2/", [2]), ("./toy", [1, 2]), ("toy/", [1, 2])]
)
def test_verify_accepts_a_folder(
    root: Path,
    folder: str,
    versions: list[int],
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(root.parent)
    assert main(["verify", f"{root.name}/{folder}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"toy@{version}: sound, 4 files" for version in versions]


def test_verify_reports_faults_and_continues(root: Path, capsys: Captured) -> None:
    (root / "toy" / "1" / "more").touch()
    assert run(root, "verify") == 3
    captured = capsys.readouterr()
    assert captured.out == "toy@2: sound, 4 files\n"
    assert captured.err == "toy@1: file_unlisted: the manifest does not list 'more'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "gone"], "error: not_found: "),
        (["show", "toy", "0"], "error: name_invalid: version 0 is not in 1 …"),
        (["show", "../toy"], "error: name_invalid: model name '../toy' does not match"),
        (["verify", "gone"], "error: not_found: "),
        (["release", "toy", "3"], "error: not_found: "),
        (["rollback", "toy"], "error: not_released: toy has no released version"),
    ],
)
def test_invalid_data_prints_one_line_and_exits_with_3(
    arguments: list[str], message: str, root: Path, capsys: Captured
) -> None:
    assert run(root, *arguments) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(message)
    assert captured.err.count("\n") == 1


def test_a_locked_model_exits_with_5(root: Path, capsys: Captured) -> None:
    with lock_model(root / "toy", wait=False):
        assert run(root, "release", "toy", "1") == 5
    assert "error: locked: another process" in capsys.readouterr().err


def test_an_os_error_prints_one_line_and_exits_with_1(root: Path, capsys: Captured) -> None:
    (root / "toy" / ".lock").unlink()
    (root / "toy" / ".lock").mkdir()
    assert run(root, "release", "toy", "1") == 1
    assert capsys.readouterr().err.startswith("error: [Errno 21] Is a directory")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["list", "toy"],
        ["release", "toy"],
        ["release", "toy", "one"],
        ["prune", "toy", "--keep", "0"],
        ["release", "toy", "1", "--canary", "2", "--share", "1.5"],
        ["ensemble", "toy"],
        ["ensemble", "toy", "1:0", "2"],
        ["ensemble", "toy", "one", "2"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: list[str], root: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m bundle" in capsys.readouterr().err


def test_models_may_be_given_before_the_command(root: Path, capsys: Captured) -> None:
    assert main(["--models", str(root), "list"]) == 0
    assert "toy" in capsys.readouterr().out


def test_the_package_runs_as_a_command_and_lists_without_onnx(root: Path) -> None:
    (root / "models").mkdir()
    (root / "toy").rename(root / "models" / "toy")
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bundle", "list"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "toy" in result.stdout
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "pydantic" in imported
    assert "onnx" not in imported
