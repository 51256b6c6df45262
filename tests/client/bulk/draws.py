"""The command `draw` in this process or another, and what it wrote."""

import os
import subprocess
import sys
from pathlib import Path

from mirage.client.__main__ import main

PROGRAM = "import sys; from mirage.client.__main__ import main; sys.exit(main(sys.argv[1:]))"

# The process exits instead of naming a file.
KILLED_BEFORE_A_LINK = """
import os, signal, sys
from mirage.client.__main__ import main
left, link = int(sys.argv[1]), os.link
def link_or_die(source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    link(source, target)
os.link = link_or_die
sys.exit(main(sys.argv[2:]))
"""


def arguments(
    models: Path, output: Path | str, *options: str, count: int | str = 30, model: str = "toy"
) -> list[str]:
    """Draw toys with seed 7 in shards of seven, in one process unless the options say otherwise."""
    words = ["draw", model, "--models", str(models), "--count", str(count), "-o", str(output)]
    defaults = {"--seed": "7", "--shard-size": "7", "--processes": "1"}
    for name, value in defaults.items():
        words += [] if name in options else [name, value]
    return [*words, *options]


def draw(models: Path, output: Path | str, *options: str, count: int | str = 30) -> int:
    """Draw in this process; returns the exit code."""
    return main(arguments(models, output, *options, count=count))


def started(words: list[str], **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def files(root: Path) -> dict[str, bytes]:
    """The contents of the files of a folder, by name."""
    return {path.name: path.read_bytes() for path in root.iterdir()}


def shards(root: Path) -> dict[str, bytes]:
    """The shards of a folder."""
    return {name: data for name, data in files(root).items() if name.startswith("images-")}
