"""The command `stack-mnist`: writes Stacked-MNIST, a data set with 1,000 modes."""

import argparse
from collections.abc import Callable
from pathlib import Path

from mirage.training.data.load import load_dataset
from mirage.training.data.sources.mnist import IMAGES, write_stacked

SUMMARY = "write Stacked-MNIST: images with a random digit in each colour channel"


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    parser = add("stack-mnist", help=SUMMARY, description=SUMMARY)
    parser.set_defaults(command=_stack)
    parser.add_argument("data", type=Path, help="digits, e.g. the folder of the MNIST files")
    parser.add_argument("file", type=Path, metavar="FILE.npy", help="for `train --data`")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"default {IMAGES:,}")
    parser.add_argument("--seed", type=int, default=0)


def _stack(options: argparse.Namespace) -> list[str]:
    write_stacked(options.file, load_dataset(options.data), options.images, options.seed)
    return [str(options.file)]
