"""The command `mirage`: finds a command in the table, imports its module and runs it."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version

from mirage.commands import COMMANDS, Command

PROG, DISTRIBUTION = "mirage", "mirage-gan"
CRASHED = 1
EXTRAS = {  # which extra of the distribution brings a package
    "onnxruntime": "cpu",
    "onnxscript": "training",
    "safetensors": "training",
    "torch": "training",
    "tqdm": "training",
}
DEPENDENCIES = {"fastapi", "httpx", "isal", "onnx", "pydantic_settings", "shtab", "uvicorn"}
"""What the distribution needs by itself, and an installation with --no-deps may lack."""

Main = Callable[[Sequence[str], str], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    command = COMMANDS.get(words[0]) if words else None
    if command is None:
        make_parser().parse_args(words or ["--help"])  # which exits
        raise AssertionError(f"{words} are not the name of a command")
    try:
        code = _run(command, words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # such as by `| head`; what is still in the buffer has no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CRASHED
    except ModuleNotFoundError as error:
        reason = explain(error.name or "")
        if reason is None:
            raise
        print(f"error: {PROG} {words[0]}: {reason}", file=sys.stderr)
        return CRASHED


def _run(command: Command, words: Sequence[str]) -> int:
    module, _, name = command.function.partition(":")
    function: Main = getattr(import_module(module), name)
    if command.group:
        return function(words[1:], f"{PROG} {words[0]}")
    return function(words, PROG)


def make_parser() -> argparse.ArgumentParser:
    """The parser that knows the names of the commands, and none of their arguments."""
    parser = argparse.ArgumentParser(PROG, description=__doc__)
    parser.description = "Train image generators on your own images, and serve what they make."
    parser.epilog = f"`{PROG} COMMAND --help` describes a command."
    parser.add_argument("--version", action="version", version=f"{PROG} {version(DISTRIBUTION)}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.summary, add_help=False)
    return parser


def explain(module: str) -> str | None:
    """How to install a module that is missing; None if nobody leaves it out deliberately."""
    package = module.partition(".")[0]
    if extra := EXTRAS.get(package):
        return (
            f"{package} is not installed; run pip install -e '.[{extra}]' in a checkout of Mirage"
        )
    if package in DEPENDENCIES:
        return f"{package} is not installed; run pip install -e . in a checkout of Mirage"
    if package == PROG:
        return f"this installation has no {module}; run pip install -e . in a checkout of Mirage"
    return None


if __name__ == "__main__":
    sys.exit(main())
