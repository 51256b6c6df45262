import json
from pathlib import Path
from typing import Any

import pytest

from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.lock import lock_job
from mirage.bundle.store.release import Release, read_release
from mirage.training.__main__ import main
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.publish.gate import flag
from tests.training.helpers.datasets import tiny_flags, write_idx_folder
from tests.training.helpers.jobs import OPEN, SIZES

LENIENT = [text for name, limit in vars(OPEN).items() for text in (flag(name), str(limit))]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A job of one step for the model toy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(Sizes, "of", classmethod(lambda *_: SIZES))
    data = tmp_path / "data"
    data.mkdir()
    write_idx_folder(data, count=96)
    return [
        *("retrain", "--data", str(data), "--to", str(tmp_path / "models" / "toy")),
        *("--runs", str(tmp_path / "runs"), "--kimg", "0.008", "--threads", "1"),
        *tiny_flags(),
    ]


def answer(captured: Captured) -> tuple[dict[str, Any], str]:
    """The result on the last line of standard output, and standard error."""
    output = captured.readouterr()
    errors = [line for line in output.err.splitlines() if line.startswith("error: ")]
    return json.loads(output.out.splitlines()[-1]), "\n".join(errors)


def test_publishes_and_releases_and_prints_the_result(
    command: list[str], tmp_path: Path, capsys: Captured
) -> None:
    assert main([*command, *LENIENT, "--release", "--license", "mit"]) == 0
    result, errors = answer(capsys)
    assert (result["outcome"], result["version"], result["exit_code"]) == ("released", 1, 0)
    assert errors == ""
    assert read_release(tmp_path / "models", "toy") == Release(1, None)
    assert "license: mit" in (tmp_path / "models" / "toy" / "1" / "README.md").read_text()
    assert main([*command, *LENIENT, "--release"]) == 0
    assert answer(capsys)[0] == result | {"repeated": True}


def test_a_rejected_model_exits_with_4_and_the_reason(
    command: list[str], tmp_path: Path, capsys: Captured
) -> None:
    assert main([*command, *LENIENT, "--min-coverage", "1"]) == 4
    result, errors = answer(capsys)
    assert (result["outcome"], result["version"], result["exit_code"]) == ("refused", None, 4)
    assert errors == f"error: {result['reasons'][0]}"
    assert "--min-coverage 1 asks for at least 1" in errors
    assert list_versions(tmp_path / "models", "toy") == []


def test_a_locked_model_exits_with_5(command: list[str], tmp_path: Path, capsys: Captured) -> None:
    model = tmp_path / "models" / "toy"
    model.mkdir(parents=True)
    with lock_job(model, wait=False):
        assert main(command) == 5
    result, errors = answer(capsys)
    assert (result["model"], result["outcome"], result["exit_code"]) == ("toy", "failed", 5)
    assert "another process is running a job" in errors


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        (["--data", "/none"], 3, "there is no such file or folder"),
        (["--to", "models/Not OK"], 3, "does not match"),
        (["--preset", "nist"], 2, "--preset is nist"),
        (["--max-frechet-ratio", "-1"], 2, "--max-frechet-ratio is -1.0"),
    ],
)
def test_every_failure_has_an_exit_code_and_a_result(
    command: list[str], capsys: Captured, wrong: list[str], code: int, said: str
) -> None:
    assert main([*command, *wrong]) == code
    result, errors = answer(capsys)
    assert (result["outcome"], result["exit_code"]) == ("failed", code)
    assert said in errors
