"""Arguments that several commands share."""

import argparse
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from .base import DEFAULT_URL
from .generate_call import SEED_END


def describing(add: Callable[..., argparse.ArgumentParser]) -> Callable[..., Any]:
    """`add_parser` of subparsers, so that a command's own help begins with its line in the list."""

    def described(name: str, **options: Any) -> argparse.ArgumentParser:
        text = options["help"]
        return add(name, **{"description": f"{text[:1].upper()}{text[1:]}.", **options})

    return described


def add_server(
    parser: argparse.ArgumentParser, url: str | None, text: str = f"default: {DEFAULT_URL}"
) -> None:
    """Add the server and its key."""
    parser.add_argument("--url", default=url, help=text)
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="file with the API key")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model and its version."""
    parser.add_argument("--model", help="default: the default model, else the only released one")
    add_version(parser)


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add the version of a model."""
    parser.add_argument(
        "--version", type=at_least_one, help="of the model; default: the released one"
    )


def add_effort(parser: argparse.ArgumentParser, parallel: int | None, text: str) -> None:
    """Add how many requests run at once, and how long failed ones are retried."""
    add = parser.add_argument
    add("--parallel", type=at_least_one, default=parallel, metavar="N", help=text)
    add(
        "--patience-s",
        type=float,
        default=300.0,
        metavar="S",
        help="seconds to retry while the server is busy or unreachable; default 300",
    )


def at_least_one(text: str) -> int:
    """Parse an integer from 1 on."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"it is {number}; at least 1 is allowed")
    return number


def images(text: str) -> int:
    """Parse a number of images, such as 1000 or 1e9."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"it is {text!r:.100}, not a number") from None
    if not (number.is_finite() and 1 <= number < SEED_END and number == int(number)):
        raise argparse.ArgumentTypeError(f"it is {text:.100}; whole numbers from 1 are allowed")
    return int(number)


def seed(text: str) -> int:
    """Parse a seed."""
    if not 0 <= (number := int(text)) < SEED_END:
        raise argparse.ArgumentTypeError(f"it is {number}; 0 … 2^64 - 1 are allowed")
    return number


def truncation(text: str) -> float:
    """Parse a truncation."""
    if not 0 < (number := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"it is {number}; 0 < T ≤ 1 is allowed")
    return number
