"""The command that makes Stacked-MNIST: data of 1,000 kinds in which collapse can be counted."""

import argparse
from collections.abc import Callable
from pathlib import Path

from mirage.training.data.load import load_dataset
from mirage.training.data.sources.mnist import IMAGES, write_stacked

SUMMARY = "stack digits into the colours of images: 1,000 kinds of them"


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is a sub-parsers' `add_parser`."""
    parser = add("stack-mnist", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(command=_stack)
    parser.add_argument("data", type=Path, help="the digits, e.g. the folder of the MNIST files")
    parser.add_argument("file", type=Path, metavar="FILE.npy", help="what `train --data` takes")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"default {IMAGES:,}")
    parser.add_argument("--seed", type=int, default=0)


def _stack(options: argparse.Namespace) -> list[str]:
    write_stacked(options.file, load_dataset(options.data), options.images, options.seed)
    return [str(options.file)]
