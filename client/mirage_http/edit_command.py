"""The command `edit`."""

import argparse
import math
from pathlib import Path

from .base import DEFAULT_URL
from .client import Client
from .errors import PictureError
from .flags import add_model, add_server, at_least_one
from .new_file import new_file

TIMEOUT_S = 180.0  # longer than a server's deadline for pictures, by default 120 s


def add_edit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.set_defaults(command=edit, timeout_s=TIMEOUT_S)
    add = parser.add_argument
    add("picture", type=Path, metavar="FILE", help="a PNG, JPEG or WebP file")
    add(
        *("-o", "--output"),
        type=Path,
        metavar="FILE.png",
        help="default: beside the picture, with -edited in its name",
    )
    add(
        "--direction",
        type=_direction,
        action="append",
        default=[],
        metavar="NAME=AMOUNT",
        help="how far to move along a direction, by name or index, in standard deviations of a "
        "latent; can be repeated for others",
    )
    add("--label", help="class index or name; default: the class that fits best")
    add("--iterations", type=at_least_one, help="of the search for latents")
    add_server(parser, DEFAULT_URL)
    add_model(parser)


def fault(options: argparse.Namespace) -> str | None:
    """The error of a combination of options, or None."""
    names = [name for name, _ in options.direction]
    twice = next((name for name in names if names.count(name) > 1), None)
    return twice and f"--direction names {twice} more than once; once is allowed"


def edit(client: Client, options: argparse.Namespace) -> None:
    """Write an edited picture, and print how well the model could draw it."""
    picture: Path = options.picture
    output: Path = options.output or picture.with_name(f"{picture.stem}-edited.png")
    if output.exists():
        raise PictureError(f"{output} exists and is not replaced")
    edited = client.edit(
        _contents_of(picture),
        directions=dict(options.direction),
        label=options.label,
        iterations=options.iterations,
        model=options.model,
        version=options.version,
    )
    with new_file(output) as file:
        file.write(edited.png)
    print(
        f"{output}: by {edited.model}@{edited.version}, error {edited.error:.4f};"
        f" that of its own images is {edited.typical_error:.4f}"
    )


def _contents_of(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise PictureError(f"{picture} cannot be read: {error.strerror}") from error


def _direction(text: str) -> tuple[str, float]:
    name, equals, amount = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=AMOUNT")
    try:
        number = float(amount)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(
            f"amount of {name} is {amount!r:.100}; a number is allowed, such as 1.5"
        )
    return name, number
