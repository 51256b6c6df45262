"""The command `python -m bundle direction NAME VERSION list|add|remove`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.directions import (
    add_direction,
    read_directions,
    remove_direction,
)
from mirage.bundle.store.layout import version_path
from mirage.bundle.store.report import columns


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Add the operands and actions; sets `act`, which runs one and returns its output."""
    parser.add_argument("name")
    parser.add_argument("version", type=int)
    actions = parser.add_subparsers(required=True, metavar="list|add|remove")

    def add(act: Callable[[argparse.Namespace], str], summary: str) -> argparse.ArgumentParser:
        action = actions.add_parser(act.__name__.lstrip("_"), help=summary, description=summary)
        action.set_defaults(act=act)
        return action

    add(_list, "list the directions of a version")
    naming = add(_add, "name a direction; an existing name stays as it is")
    naming.add_argument("called", metavar="DIRECTION")
    source = naming.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "file", nargs="?", type=Path, metavar="FILE.npy", help="latent_dim numbers of any length"
    )
    source.add_argument("--index", type=int, help="a direction that the version has already")
    removing = add(_remove, "remove the name of a direction")
    removing.add_argument("called", metavar="DIRECTION")


def _list(options: argparse.Namespace) -> str:
    manifest = read_manifest(version_path(options.models, options.name, options.version))
    named = read_directions(options.models, options.name, options.version)
    names = {direction.index: called for called, direction in named.items()}
    rows = [
        (str(index), names.get(index, "-"), f"{direction.strength:.1%}")
        for index, direction in enumerate(manifest.directions)
    ]
    rows += [
        ("-", called, "-") for called, direction in named.items() if direction.vector is not None
    ]
    return columns([("INDEX", "NAME", "STRENGTH"), *rows])


def _add(options: argparse.Namespace) -> str:
    source = options.file if options.index is None else options.index
    add_direction(options.models, options.name, options.version, options.called, source)
    return f"{options.name}@{options.version}: added direction {options.called}"


def _remove(options: argparse.Namespace) -> str:
    remove_direction(options.models, options.name, options.version, options.called)
    return f"{options.name}@{options.version}: removed direction {options.called}"
