"""The command `fit-direction`: names a latent direction that examples define."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.directions import add_direction
from mirage.training.errors import DataError
from mirage.training.inversion.direction import fit_direction, read_examples


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    summary = "fit a named latent direction to examples with numbers"
    parser = add("fit-direction", help=summary, description=summary)
    parser.set_defaults(command=_fit)
    parser.add_argument("bundle", type=Path, metavar="MODELS/NAME/VERSION")
    parser.add_argument("called", metavar="DIRECTION", help="its name in requests, such as smile")
    parser.add_argument(
        "examples",
        type=Path,
        metavar="FILE.csv",
        help="lines `seed,number`, `seed:index,number` or `picture,number`; the direction is that "
        "in which the numbers grow",
    )


def _fit(options: argparse.Namespace) -> Iterator[str]:
    bundle = load_bundle(options.bundle)
    manifest = bundle.manifest
    if manifest.task != "generate":
        raise DataError(
            f"{options.bundle} is of task {manifest.task}; only generators have latents"
        )
    found = fit_direction(*read_examples(options.examples, bundle))
    root = options.bundle.resolve().parent.parent
    with TemporaryDirectory() as folder:
        file = Path(folder) / "direction.npy"
        np.save(file, found.vector)
        add_direction(root, manifest.name, manifest.version, options.called, file)
    yield (
        f"{manifest.name}@{manifest.version}: added direction {options.called}, fitted to "
        f"{found.count} examples; correlation with examples left out {found.correlation:.2f}"
    )
