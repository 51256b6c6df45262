"""The command line of the store: `python -m bundle list|show|verify|release|import|…`."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from mirage.bundle.direction_command import add_actions
from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import MAX_MEMBERS, Member
from mirage.bundle.remote.command import add_at, add_commands, open_models, table_at
from mirage.bundle.remote.prune import prune_at
from mirage.bundle.remote.release import release_at, rollback_at
from mirage.bundle.store.layout import (
    check_version,
    list_models,
    list_versions,
    parse_path,
    version_path,
)
from mirage.bundle.store.members import verify_version
from mirage.bundle.store.prune import prune
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import Canary, Release, readable_release, release, rollback
from mirage.bundle.store.report import card, table

DONE, CRASHED, USAGE, BAD_DATA = 0, 1, 2, 3
OPERANDS: dict[str, type] = {"name": str, "version": int}


def main(arguments: Sequence[str] | None = None, prog: str = "python -m bundle") -> int:
    """Run one command; returns the exit code."""
    # Imported here, so that the format of bundles can be used without the service.
    from mirage.service.importing.command import joined_range

    parser = argparse.ArgumentParser(prog)
    fill_parser(parser)
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(joined_range(given))
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except BundleError as error:
        print(f"error: {error.reason}: {error}", file=sys.stderr)
        return error.exit_code()
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return CRASHED


def fill_parser(parser: argparse.ArgumentParser) -> None:
    """Add the commands of the store to a parser."""
    parser.description = "Trained models on disk."
    _add_models(parser, Path("models"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        command: Callable[..., int], summary: str, **operands: str | None
    ) -> argparse.ArgumentParser:
        name = command.__name__.lstrip("_")
        subparser = commands.add_parser(name, help=summary, description=summary)
        subparser.set_defaults(command=command)
        # A default here would override --models given before the command.
        _add_models(subparser, argparse.SUPPRESS)
        for operand, nargs in operands.items():
            subparser.add_argument(operand, nargs=nargs, type=OPERANDS[operand])
        return subparser

    add_at(add(_list, "list all versions of all models"))
    add(_show, "show a manifest, by default of the released version", name=None, version="?")
    _add_targets(add(_verify, "verify a version, a model, or all models"))
    _add_canary(add(_release, "verify a version and release it", name=None, version=None))
    add_at(add(_rollback, "release the previous version again", name=None))
    _add_members(add(_ensemble, "publish a version made of several others", name=None))
    add_actions(add(_direction, "list, add or remove named directions of a version"))
    _add_prune(add(_prune, "remove old versions that are not released", name=None))
    add_commands(partial(_add_remote, commands.add_parser))
    _add_import(commands.add_parser)


def _add_remote(
    add_parser: Callable[..., argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    parser = add_parser(name, help=summary, description=summary)
    parser.set_defaults(command=_remote)
    return parser


def _add_import(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    from mirage.service.importing.command import add_options

    summary = "make a version of a generator that was trained elsewhere, an ONNX file"
    add_options(add_parser("import", help=summary, description=summary))


def _add_models(parser: argparse.ArgumentParser, default: Path | str) -> None:
    parser.add_argument(
        "--models", type=Path, default=default, metavar="DIR", help="default: ./models"
    )


def _add_canary(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--canary", type=int, metavar="VERSION", help="a version to serve for a share of the seeds"
    )
    parser.add_argument("--share", type=_share, help="the canary's share of the seeds, 0 … 1")
    add_at(parser)


def _share(text: str) -> float:
    if not 0 <= (share := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in 0 … 1")
    return share


def _add_targets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="a model, or its folder, or that of a version"
    )
    parser.add_argument("version", nargs="?", type=int, help="a version of the model")


def _add_members(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "members",
        nargs="+",
        type=_member,
        metavar="VERSION[:WEIGHT]",
        help=f"2 … {MAX_MEMBERS} versions; weights are above 0, default 1",
    )


def _member(text: str) -> Member:
    version, _, weight = text.partition(":")
    try:
        return Member(version=int(version), weight=float(weight or 1))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not VERSION[:WEIGHT]") from None


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep", type=_positive, required=True, metavar="N", help="the newest versions to keep"
    )
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")
    add_at(parser)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _list(options: argparse.Namespace) -> int:
    print(table_at(options.at) if options.at else table(options.models))
    return DONE


def _show(options: argparse.Namespace) -> int:
    version = options.version
    if version is None:
        version = _shown_version(options.models, options.name)
    print(card(options.models, options.name, version))
    return DONE


def _shown_version(root: Path, name: str) -> int:
    """The released version, else the newest."""
    if current := readable_release(root, name):
        return current.version
    versions = list_versions(root, name)
    if not versions:
        raise BundleError("not_found", f"{name} has no version")
    return versions[-1]


def _verify(options: argparse.Namespace) -> int:
    faults = 0
    for name, version in _targets(options):
        try:
            manifest = verify_version(version_path(options.models, name, version))
        except BundleError as error:
            faults += 1
            print(f"{name}@{version}: {error.reason}: {error}", file=sys.stderr)
        else:
            print(f"{name}@{version}: sound, {len(manifest.files)} files")
    return BAD_DATA if faults else DONE


def _targets(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """The given version, else every version of the given model, else every version."""
    if options.name and (found := parse_path(options.name)):
        options.models, options.name, version = found
        options.version = version or options.version
    for name in [options.name] if options.name else list_models(options.models):
        if options.version is not None:
            yield name, options.version
        else:
            yield from ((name, version) for version in list_versions(options.models, name))


def _release(options: argparse.Namespace) -> int:
    if (options.canary is None) != (options.share is None):
        print("error: --canary and --share go together", file=sys.stderr)
        return USAGE
    canary = None if options.canary is None else _canary(options.canary, options.share)
    if options.at:
        new = release_at(open_models(options.at), options.name, options.version, canary)
    else:
        new = release(options.models, options.name, options.version, canary)
    return _report(options.name, new)


def _canary(version: int, share: float) -> Canary:
    check_version(version)
    return Canary(version, share)


def _rollback(options: argparse.Namespace) -> int:
    if options.at:
        return _report(options.name, rollback_at(open_models(options.at), options.name))
    return _report(options.name, rollback(options.models, options.name))


def _remote(options: argparse.Namespace) -> int:
    for line in options.act(options):
        print(line, flush=True)
    return DONE


def _ensemble(options: argparse.Namespace) -> int:
    path = publish_ensemble(options.models, options.name, options.members)
    print(f"{options.name}@{path.name}: published, an ensemble of {len(options.members)}")
    return DONE


def _direction(options: argparse.Namespace) -> int:
    print(options.act(options))
    return DONE


def _prune(options: argparse.Namespace) -> int:
    if options.at:
        remote = open_models(options.at)
        removed = prune_at(remote, options.name, options.keep, dry_run=options.dry_run)
    else:
        removed = prune(options.models, options.name, options.keep, dry_run=options.dry_run)
    done = "would be removed" if options.dry_run else "removed"
    lines = [f"{options.name}@{version}: {done}" for version in removed]
    print("\n".join(lines) or f"{options.name}: nothing to remove")
    return DONE


def _report(name: str, new: Release) -> int:
    canary = f", canary {new.canary.version} for {new.canary.share:.2%}" if new.canary else ""
    print(f"{name}: version {new.version} is released, previous {new.previous or 'none'}{canary}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
