"""Shell completion: a static script from the parsers of all commands."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import shtab

from mirage.commands import COMMANDS

SHELLS = ("bash", "zsh", "fish")
ENDING = """\
bash: mirage completion bash > ~/.local/share/bash-completion/completions/mirage
zsh:  mirage completion zsh > "${fpath[1]}/_mirage"
fish: mirage completion fish > ~/.config/fish/completions/mirage.fish
"""


def main(arguments: Sequence[str], prog: str) -> int:
    """Print the completion script of a shell; returns the exit code."""
    parser = argparse.ArgumentParser(prog)
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND").add_parser)
    shell: str = parser.parse_args(arguments).shell
    print(shtab.complete(full_parser(prog), shell))
    return 0


def add_commands(add: Any) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    form = argparse.RawDescriptionHelpFormatter
    parser = add("completion", help="print a script", epilog=ENDING, formatter_class=form)
    parser.add_argument("shell", choices=SHELLS)


def full_parser(prog: str) -> argparse.ArgumentParser:
    """The parser of all commands with all arguments.

    Commands whose packages are not installed have a name only.
    """
    parser = _PathParser(prog)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, command in COMMANDS.items():
        try:
            module = import_module(command.function.partition(":")[0])
        except ModuleNotFoundError:
            commands.add_parser(name, help=command.summary)
            continue
        if command.group:
            module.fill_parser(commands.add_parser(name, help=command.summary))
        else:
            module.add_commands(_OnlyOne(commands, name, command.summary))
    return parser


class _PathParser(argparse.ArgumentParser):
    """Marks arguments that are paths, so that shells complete files for them."""

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        action: Any = super().add_argument(*names, **options)
        metavar = str(options.get("metavar"))
        if options.get("type") is Path or metavar.upper() == "PATH":
            action.complete = shtab.FILE
        return cast("argparse.Action", action)


class _OnlyOne:
    """Stands for `add_parser` of subparsers, and keeps the parser of one command."""

    def __init__(self, commands: Any, name: str, summary: str) -> None:
        self._commands, self._name, self._summary = commands, name, summary

    def __call__(self, name: str, **options: Any) -> argparse.ArgumentParser:
        if name != self._name:
            return argparse.ArgumentParser(name)
        parser: argparse.ArgumentParser = self._commands.add_parser(name, help=self._summary)
        return parser
