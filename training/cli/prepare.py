"""The commands that make data sets of the pictures in packages: `prepare-icons` and others."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from mirage.training.cli.flags import positive
from mirage.training.data.prepare.avatars import CLASSES, write_avatars
from mirage.training.data.prepare.credits import write_credits
from mirage.training.data.prepare.icons import write_icons
from mirage.training.data.prepare.styles import write_styles
from mirage.training.data.prepare.textures import EXAMPLE, Area, write_textures
from mirage.training.data.sources.image_folder import open_folder

ENDING = """Get the packages with: npm pack openmoji @svgmoji/noto
OpenMoji is licensed under CC BY-SA 4.0, Noto under Apache-2.0."""
AVATARS = """The archive contains PNG files named by code points, such as emoji_u1f468_1f3fb.png:
the folder png/72 of https://github.com/googlefonts/noto-emoji, licensed under Apache-2.0."""

STYLES = f"""{AVATARS}
The other is made by: npm pack openmoji (CC BY-SA 4.0)."""


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parsers; `add` is the method `add_parser` of subparsers."""
    _add_icons(add)
    _add_avatars(add)
    _add_styles(add)
    _add_textures(add)
    _add_credits(add)


def _add_icons(add: Callable[..., argparse.ArgumentParser]) -> None:
    summary = "render the icons of npm packages as PNG, a folder per group"
    parser = add("prepare-icons", help=summary, description=summary, epilog=ENDING)
    parser.set_defaults(command=_prepare_icons)
    parser.add_argument("openmoji", type=Path, metavar="OPENMOJI.tgz")
    parser.add_argument("noto", type=Path, nargs="?", metavar="SVGMOJI-NOTO.tgz")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--size", type=int, default=256, help="side in pixels; default 256")


def _add_avatars(add: Callable[..., argparse.ArgumentParser]) -> None:
    summary = "extract the single persons from a ZIP of Noto Emoji, a folder per class"
    parser = add("prepare-avatars", help=summary, description=summary, epilog=AVATARS)
    parser.set_defaults(command=_prepare_avatars)
    parser.add_argument("emoji", type=Path, metavar="NOTO-EMOJI.zip")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--size", type=int, default=32, help="side in pixels; default 32")
    parser.add_argument(
        "--by", choices=CLASSES, default="tone", help="classes: skin tones (default) or roles"
    )


def _add_styles(add: Callable[..., argparse.ArgumentParser]) -> None:
    summary = "crop emoji of two styles to their content: Noto as source, OpenMoji as target"
    parser = add("prepare-styles", help=summary, description=summary, epilog=STYLES)
    parser.set_defaults(command=_prepare_styles)
    parser.add_argument("noto", type=Path, metavar="NOTO-EMOJI.zip")
    parser.add_argument("openmoji", type=Path, metavar="OPENMOJI.tgz")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--size", type=int, default=48, help="side in pixels; default 48")


def _add_textures(add: Callable[..., argparse.ArgumentParser]) -> None:
    summary = "cut textures out of areas of photographs, a folder per texture"
    parser = add("prepare-textures", help=summary, description=f"{summary}; an area is {EXAMPLE}")
    parser.set_defaults(command=_prepare_textures)
    parser.add_argument("areas", nargs="+", metavar="AREA")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--size", type=positive, default=32, help="side in pixels; default 32")
    parser.add_argument("--count", type=positive, default=150, help="of each area; default 150")
    parser.add_argument("--shrink", type=positive, default=3, help="reduce by; default 3")


def _add_credits(add: Callable[..., argparse.ArgumentParser]) -> None:
    summary = "list the authors of pictures from the copyright file of their Debian package"
    parser = add("prepare-credits", help=summary, description=summary)
    parser.set_defaults(command=_prepare_credits)
    parser.add_argument("copyright", type=Path, metavar="COPYRIGHT")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE.md")


def _prepare_icons(options: argparse.Namespace) -> Iterator[str]:
    count = write_icons(options.openmoji, options.noto, options.to, options.size)
    yield f"{count} icons of {options.size}x{options.size} in {options.to}"


def _prepare_avatars(options: argparse.Namespace) -> Iterator[str]:
    count = write_avatars(options.emoji, options.to, options.size, options.by)
    yield f"{count} persons of {options.size}x{options.size} in {options.to}"


def _prepare_styles(options: argparse.Namespace) -> Iterator[str]:
    source, target, both = write_styles(options.noto, options.openmoji, options.to, options.size)
    yield (
        f"{source} pictures of {options.size}x{options.size} in {options.to / 'source'}, {target} "
        f"in {options.to / 'target'}; {both} code points are in both"
    )


def _prepare_textures(options: argparse.Namespace) -> Iterator[str]:
    areas = [Area.parse(text) for text in options.areas]
    count = write_textures(areas, options.to, options.size, options.count, options.shrink)
    yield f"{count} crops of {options.size}x{options.size} in {options.to}"


def _prepare_credits(options: argparse.Namespace) -> Iterator[str]:
    names = open_folder(options.data).names
    write_credits(options.copyright, names, options.to)
    yield f"{len(names)} pictures with their authors in {options.to}"
