"""The command `mirage`: its help, its version, and what it says where a package is missing."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mirage.__main__ import explain, main
from mirage.commands import COMMANDS

# Prints the modules that a command loaded, after its own output.
LOADED = """
import json, sys
from mirage.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from mirage.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def modules_after(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", LOADED, *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded: list[str] = json.loads(result.stdout.splitlines()[-1])
    return set(loaded)


def test_help_lists_every_command_and_imports_none() -> None:
    command = [sys.executable, "-m", "mirage", "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert shown.startswith("usage: mirage ")
    for name, line in COMMANDS.items():
        assert f"    {name}" in shown
        assert " ".join(line.summary.split()) in " ".join(shown.split())
    loaded = modules_after("--help")
    assert loaded.isdisjoint({"mirage.service", "mirage.training", "mirage.client", "numpy"})


def test_without_a_command_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([])
    assert "commands:" in capsys.readouterr().out


def test_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"mirage {version('mirage-gan')}\n"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sevre"])
    assert "invalid choice: 'sevre'" in capsys.readouterr().err


def test_serving_loads_no_torch() -> None:
    loaded = modules_after("serve", "--help")
    assert "mirage.service.settings" in loaded
    assert loaded.isdisjoint({"torch", "mirage.training"})


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["serve", "--help"], "usage: mirage serve "),
        (["verify", "--help"], "usage: mirage verify "),
        (["bundle", "release", "--help"], "usage: mirage bundle release "),
        (["train", "--help"], "usage: mirage train "),
        (["generate", "--help"], "usage: mirage generate "),
    ],
)
def test_a_command_shows_its_own_name(
    arguments: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
    assert capsys.readouterr().out.startswith(usage)


@pytest.mark.parametrize("command", ["generate", "train", "evaluate", "serve", "verify"])
def test_the_help_of_a_command_says_what_it_does(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    _, _, after_usage = capsys.readouterr().out.partition("\n\n")
    assert after_usage[0].isupper()
    assert "." in after_usage.partition("\n\n")[0]


def test_a_reader_that_leaves_early_is_no_crash() -> None:
    command = f"{sys.executable} -m mirage completion bash | head -1"
    result = subprocess.run(command, shell=True, check=True, capture_output=True, text=True)
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_runs_a_command_and_returns_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "--models", str(tmp_path), "show", "gone"]) == 3
    assert capsys.readouterr().err.startswith("error: not_found: ")


def test_a_missing_extra_is_named_in_one_sentence() -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, "train", "--help"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 1
    install = "run pip install -e '.[training]' in a checkout of Mirage"
    assert result.stderr == f"error: mirage train: torch is not installed; {install}\n"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("onnxruntime", "onnxruntime is not installed; run pip install -e '.[cpu]' in a checkout"),
        ("httpx", "httpx is not installed; run pip install -e . in a checkout"),
        ("mirage.training", "this installation has no mirage.training; run pip install -e . in"),
    ],
)
def test_explains_how_to_install_what_is_missing(module: str, reason: str) -> None:
    assert (explain(module) or "").startswith(reason)


def test_does_not_explain_a_module_that_nobody_leaves_out() -> None:
    assert explain("nmupy") is None
