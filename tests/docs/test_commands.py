"""Every command in the documentation can be typed as it stands."""

import argparse
import functools
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docs.reference import help_of, parser
from mirage.commands import COMMANDS
from mirage.service.importing.command import joined_range
from mirage.training.__main__ import add_commands
from tests.docs.pages import PAGES, ROOT, blocks, name_of, read

MODULES = {"service": "serve", "bundle": "bundle"}  # python -m NAME is mirage COMMAND
OTHERS = {
    *(". cd deploy/roll.sh docker echo export helm kubectl jupyter npm".split()),
    *("apt-get hf mirage-client printf promtool rsync sbatch source torchrun".split()),
}
"""Programs whose arguments are not checked here."""


@functools.cache
def training() -> argparse.ArgumentParser:
    """The parser of `python -m training`, which has more commands than `mirage`."""
    parser = argparse.ArgumentParser("training")
    add_commands(parser.add_subparsers(required=True).add_parser)
    return parser


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command in the shell blocks of a page."""
    for block in [*blocks(text, "sh"), *filter(is_shell, blocks(text, ""))]:
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set("&|;"):
                    if words:
                        yield words
                    words = []
                else:
                    words.append(word)


def is_shell(block: str) -> bool:
    """Whether a block that names no language holds commands."""
    return bool(block.split()) and block.split()[0] in CHECKS.keys() | OTHERS


def check_mirage(words: list[str]) -> None:
    parser().parse_args(joined_range(words))


def check_python(words: list[str]) -> None:
    if words[0] == "deploy/ray_draw.py":
        check_mirage(["draw", *words[2:]])
    elif words[0] != "-m":
        assert (ROOT / words[0]).is_file(), f"there is no program {words[0]}"
    elif words[1] in MODULES:
        check_mirage([MODULES[words[1]], *words[2:]])
    else:
        assert words[1] == "training", f"there is no package {words[1]}"
        training().parse_args(words[2:])


def check_make(words: list[str]) -> None:
    targets = re.findall(r"^(\w+): .*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [word for word in words if "=" not in word and word not in targets] == []


def check_sbatch(words: list[str]) -> None:
    """`deploy/slurm.sh` takes a command of `mirage`."""
    check_mirage(words[words.index("deploy/slurm.sh") + 1 :])


def check_curl(words: list[str]) -> None:
    if "-d" in words:
        assert isinstance(json.loads(words[words.index("-d") + 1]), dict)


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    files = [words[number + 1] for number, word in enumerate(words) if word == "-c"]
    files += [word.partition("[")[0] for word in words if word.startswith(".")]
    assert [file for file in files if not (ROOT / file).exists()] == []


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "mirage": check_mirage,
    "python": check_python,
    "make": check_make,
    "curl": check_curl,
    "pip": check_pip,
    "sbatch": check_sbatch,
}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_exist(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands(read(page)):
        if "--credits" in words:  # which is read at once, and written by another command
            credit = tmp_path / words[words.index("--credits") + 1]
            credit.parent.mkdir(parents=True, exist_ok=True)
            credit.write_text("Drawn by nobody.\n")
        if words[0] in CHECKS:
            try:
                CHECKS[words[0]](words[1:])
            except SystemExit:
                pytest.fail(f"{name_of(page)}: {shlex.join(words)}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_shell_blocks_are_shell(page: Path) -> None:
    for block in blocks(read(page), "sh"):
        subprocess.run(["sh", "-n"], input=block, text=True, check=True, timeout=30)
    for words in commands("".join(f"```sh\n{block}```\n" for block in blocks(read(page), "sh"))):
        assert words[0] in CHECKS.keys() | OTHERS, words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_sentences_exist(page: Path) -> None:
    """They may leave out what they need, but what they name is there."""
    for code in re.findall(r"(?<!`)`mirage ([a-z][^`]*)`", read(page)):
        words = code.split()
        group = 2 if COMMANDS[words[0]].group and len(words) > 1 else 1
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        known = set(re.findall(r"--[\w-]+", help_of(words[:group]))) | {"--help"}
        assert flags <= known, code
