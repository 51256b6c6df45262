"""The table of commands: every line leads to a function, and its parser to shell completion."""

import inspect
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from mirage.commands import COMMANDS, Command
from mirage.completion import SHELLS, full_parser, main


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_is_a_function_of_arguments_and_program(command: Command) -> None:
    module, _, name = command.function.partition(":")
    function = getattr(import_module(module), name)
    inspect.signature(function).bind([], "mirage")


@pytest.mark.parametrize("name", COMMANDS)
def test_completion_knows_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        full_parser("mirage").parse_args([name, "--help"])
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: mirage {name} ")
    assert len(shown.splitlines()) > 5  # more than a name


@pytest.mark.parametrize("shell", SHELLS)
def test_prints_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell], "mirage") == 0
    script = capsys.readouterr().out
    for word in ("retrain", "rollback", "max-batch-size", "by-class"):
        assert word in script


@pytest.mark.parametrize("flag", ["--run", "--keys-file", "--models"])
def test_completes_paths_in_zsh(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "zsh"], "mirage")
    lines = [line for line in capsys.readouterr().out.splitlines() if f'"{flag}[' in line]
    assert lines
    assert [line for line in lines if not line.endswith(':_files"')] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["mirage", "ex"], {"export"}),
        (["mirage", "bundle", "roll"], {"rollback"}),
        (["mirage", "train", "--pres"], {"--preset"}),
        (["mirage", "serve", "--default"], {"--default-model"}),
    ],
)
def test_completes_in_bash(
    words: list[str], found: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["completion", "bash"], "mirage")
    script = tmp_path / "mirage.bash"
    script.write_text(capsys.readouterr().out)
    program = f"""
source {script}
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}
_shtab_mirage mirage {words[-1]} {words[-2]}
echo "${{COMPREPLY[@]}}"
"""
    result = subprocess.run(["bash", "-c", program], check=True, capture_output=True, text=True)
    assert set(result.stdout.split()) == found
