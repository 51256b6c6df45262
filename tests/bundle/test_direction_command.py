"""The command `python -m bundle direction`."""

from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.__main__ import main
from tests.bundles import make_bundle

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_bundle(tmp_path, "toy")
    np.save(tmp_path / "smile.npy", np.array([1, 2, 3, 4, 5], np.float32))
    return tmp_path


def run(root: Path, *arguments: str) -> int:
    return main(["direction", "--models", str(root), "toy", "1", *arguments])


def test_adds_lists_and_removes(root: Path, capsys: Captured) -> None:
    assert run(root, "add", "smile", str(root / "smile.npy")) == 0
    assert run(root, "add", "age", "--index", "1") == 0
    assert run(root, "list") == 0
    assert run(root, "remove", "smile") == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy@1: added direction smile",
        "toy@1: added direction age",
        "INDEX  NAME   STRENGTH",
        "0      -      50.0%",
        "1      age    25.0%",
        "-      smile  -",
        "toy@1: removed direction smile",
    ]


def test_a_taken_name_exits_with_3(root: Path, capsys: Captured) -> None:
    assert run(root, "add", "age", "--index", "1") == 0
    assert run(root, "add", "age", "--index", "0") == 3
    assert capsys.readouterr().err == (
        "error: direction_exists: direction 'age' exists; remove it first\n"
    )


def test_a_missing_file_exits_with_1(root: Path, capsys: Captured) -> None:
    assert run(root, "add", "smile", str(root / "none.npy")) == 1
    assert "none.npy" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["add"], ["add", "smile"], ["add", "smile", "x.npy", "--index", "1"], ["remove"]],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: list[str], root: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        run(root, *arguments)
    assert caught.value.code == 2
    assert "usage: python -m bundle direction" in capsys.readouterr().err
