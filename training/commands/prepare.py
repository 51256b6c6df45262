"""The command that draws the icons which icon-x4 is trained on."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from mirage.training.data.icons import write_icons

ENDING = """Get the packages with: npm pack openmoji @svgmoji/noto
OpenMoji's pictures are CC BY-SA 4.0, Noto's Apache-2.0."""


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is a sub-parsers' `add_parser`."""
    summary = "draw the icons of npm packages as PNG, a folder per group"
    parser = add("prepare-icons", help=summary, description=summary, epilog=ENDING)
    parser.set_defaults(command=_prepare)
    parser.add_argument("openmoji", type=Path, metavar="OPENMOJI.tgz")
    parser.add_argument("noto", type=Path, nargs="?", metavar="SVGMOJI-NOTO.tgz")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--size", type=int, default=256, help="of a side in pixels; default 256")


def _prepare(options: argparse.Namespace) -> Iterator[str]:
    count = write_icons(options.openmoji, options.noto, options.to, options.size)
    yield f"{count} icons of {options.size}x{options.size} in {options.to}"
