import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirage.training.runs.command import Command, this_command

ECHO = "from mirage.training.runs.command import this_command; print(this_command())"


def test_is_the_line_that_was_typed_with_its_folder(tmp_path: Path) -> None:
    typed = [sys.executable, "-c", ECHO, "--set", "lr=1e-3", "--run", "my runs/one"]
    root = Path(__file__).parents[3]
    line = subprocess.run(
        typed, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    ).stdout
    assert line == f"cd {shlex.quote(str(tmp_path))} && {shlex.join(typed)}\n"


def test_processes_of_torchrun_are_started_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ["/usr/bin/python", "-u", "-m", "training", "train", "--run", "runs/one"]
    monkeypatch.setattr(sys, "orig_argv", own)
    command = this_command({"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "4"})
    said = shlex.join(command.arguments)
    assert said == "torchrun --nproc-per-node 4 -m -- training train --run runs/one"
    assert this_command({}).arguments == tuple(own)


@pytest.mark.parametrize(
    "content", [None, [], {}, {"arguments": "train", "folder": "/"}, {"arguments": ["train"]}]
)
def test_other_content_is_no_command(content: Any) -> None:
    with pytest.raises(ValueError, match="is not a command"):
        Command.of(content)
