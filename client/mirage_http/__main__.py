"""The command line: `generate`, `draw`, `upscale`, `translate`, `edit` and `models`."""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from . import dataset_command, edit_command
from .base import DEFAULT_URL
from .client import Client
from .errors import Locked, MirageError, MissingPackage, Unreachable
from .flags import add_effort, add_model, add_server, describing
from .pictures import command as pictures_command

DONE, CRASHED, BAD_DATA, LOCKED = 0, 1, 3, 5  # argparse itself leaves with 2
CLIENT_SETTINGS = ("page_size", "parallel", "patience_s", "timeout_s")
PICTURES_TIMEOUT_S = 180.0  # longer than a server's deadline for pictures, by default 120 s
FAULTS: dict[Callable[..., None], Callable[[argparse.Namespace], str | None]] = {
    dataset_command.generate: dataset_command.fault,
    dataset_command.draw: dataset_command.draw_fault,
    edit_command.edit: edit_command.fault,
    pictures_command.convert: pictures_command.fault,
}


def main(arguments: Sequence[str] | None = None, prog: str = "mirage-client") -> int:
    """Run one command; returns the exit code."""
    # Pillow's warning of huge pictures; only their sizes are read here.
    warnings.filterwarnings("ignore", "Image size", RuntimeWarning)
    parser = argparse.ArgumentParser(prog, description="Generate images and enlarge pictures.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="word")
    add_commands(commands.add_parser)
    options = parser.parse_args(arguments)
    parser = commands.choices[options.word]  # whose usage helps with its own faults
    find_fault = FAULTS.get(options.command)
    if find_fault and (fault := find_fault(options)):
        parser.error(fault)
    try:
        client = _client(options)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    with client or nullcontext():
        return _run(client, options)


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parsers; `add` is the method `add_parser` of subparsers."""
    add = describing(add)
    dataset_command.add_generate(add("generate", help="write a dataset; run again to continue"))
    dataset_command.add_draw(
        add("draw", help="write a dataset without a server; run again to continue")
    )
    _add_pictures(
        add("upscale", help="enlarge pictures; run again to continue"), pictures_command.UPSCALE
    )
    _add_pictures(
        add("translate", help="draw pictures in another style; run again to continue"),
        pictures_command.TRANSLATE,
    )
    edit_command.add_edit(add("edit", help="edit a picture with a model of a server"))
    _add_models(add("models", help="list the models of the server"))


def _client(options: argparse.Namespace) -> Client | None:
    """The client of the server, or None if the command runs in this process."""
    if options.url is None:
        return None
    key = options.key_file and options.key_file.read_text(encoding="utf-8").strip()
    given = {name: getattr(options, name, None) for name in CLIENT_SETTINGS}
    settings = {name: value for name, value in given.items() if value is not None}
    return Client(options.url, api_key=key, **settings)


def _run(client: Client | None, options: argparse.Namespace) -> int:
    command: Callable[[Client | None, argparse.Namespace], None] = options.command
    try:
        command(client, options)
    except Locked as error:
        return _fail(str(error), LOCKED)
    except (OSError, MissingPackage, Unreachable) as error:
        return _fail(str(error), CRASHED)
    except MirageError as error:
        return _fail(str(error), BAD_DATA)
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command to continue", CRASHED)
    return DONE


def _models(client: Client, _options: argparse.Namespace) -> None:
    rows = [("MODEL", "RELEASED", "VERSIONS")]
    for model in client.models():
        name = f"{model.name} (default)" if model.default else model.name
        rows.append((name, str(model.released or "-"), " ".join(map(str, model.versions))))
    width = max(len(row[0]) for row in rows)
    for name, released, versions in rows:
        print(f"{name:<{width}}  {released:<8}  {versions}")


def _add_pictures(parser: argparse.ArgumentParser, task: str) -> None:
    parser.set_defaults(command=pictures_command.convert, timeout_s=PICTURES_TIMEOUT_S)
    pictures_command.add_arguments(parser, task)
    add_server(parser, None, "of the server; default: none, pictures are made in this process")
    add_model(parser)
    add_effort(parser, None, "pictures at once; default 4, without a server the number of CPUs")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_models)
    add_server(parser, DEFAULT_URL)


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
