"""The command line: `generate`, `upscale` and `models`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from .base import DEFAULT_URL
from .client import Client
from .dataset import Output, fill
from .errors import DatasetError, Locked, MirageError, MissingPackage, Unreachable
from .folder import Folder
from .generate_call import SEED_END
from .pictures.command import add_arguments, fault, upscale
from .progress import Progress
from .record import lock_dataset, read_record
from .resolve import UNIFORM, DatasetOptions, resolve
from .tar import SUFFIX, Tar

DONE, CRASHED, BAD_DATA, LOCKED = 0, 1, 3, 5  # argparse itself leaves with 2
CLIENT_SETTINGS = ("page_size", "parallel", "patience_s", "timeout_s")
UPSCALE_TIMEOUT_S = 180.0  # longer than a server's deadline for pictures, by default 120 s


def main(arguments: Sequence[str] | None = None, prog: str = "mirage-client") -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog, description="Generate images and enlarge pictures.")
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND").add_parser)
    options = parser.parse_args(arguments)
    if fault := _fault(options):
        parser.error(fault)
    try:
        client = _client(options)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    with client or nullcontext():
        return _run(client, options)


def _fault(options: argparse.Namespace) -> str | None:
    """The error of a combination of options, or None."""
    if options.command is _generate:
        archive = options.output.suffix == SUFFIX
        if archive and options.by_class:
            return f"--by-class needs a folder; --output is the archive {options.output}"
        if options.shard_size and not archive:
            return f"--shard-size needs an archive; --output is the folder {options.output}"
    return fault(options) if options.command is upscale else None


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


def _generate(client: Client, options: argparse.Namespace) -> None:
    path: Path = options.output
    output: Output = Tar(path) if path.suffix == SUFFIX else Folder(path)
    existing = read_record(output.record_path)
    if existing is None and output.occupied():
        raise DatasetError(f"{path} exists and was not created by this command")
    wanted = DatasetOptions(
        **{name: getattr(options, name) for name in DatasetOptions.__dataclass_fields__}
    )
    record = resolve(client, wanted, existing)
    output.check(record)
    with lock_dataset(output.record_path, record):
        fill(client, record, output, options.count, Progress(sys.stderr))
    print(f"{path}: {options.count} images of {record.model}@{record.version}, seed {record.seed}")


def _models(client: Client, _options: argparse.Namespace) -> None:
    rows = [("MODEL", "RELEASED", "VERSIONS")]
    for model in client.models():
        name = f"{model.name} (default)" if model.default else model.name
        rows.append((name, str(model.released or "-"), " ".join(map(str, model.versions))))
    width = max(len(row[0]) for row in rows)
    for name, released, versions in rows:
        print(f"{name:<{width}}  {released:<8}  {versions}")


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parsers; `add` is the method `add_parser` of subparsers."""
    _add_generate(add("generate", help="write a dataset; run again to continue"))
    _add_upscale(add("upscale", help="enlarge pictures; run again to continue"))
    _add_models(add("models", help="list the models of the server"))


def _add_upscale(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=upscale, timeout_s=UPSCALE_TIMEOUT_S)
    add_arguments(parser)
    _add_server(parser, None, "of the server; default: none, pictures are enlarged in this process")
    _add_model(parser)
    _add_effort(parser, None, "pictures at once; default 4, without a server the number of CPUs")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_models)
    _add_server(parser, DEFAULT_URL)


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_generate)
    _add_server(parser, DEFAULT_URL)
    add = parser.add_argument
    add("--count", type=_at_least_one, required=True, metavar="N", help="total number of images")
    add(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="DIR|FILE.tar",
        help="folder of PNG files, or tar file for WebDataset",
    )
    add(
        *("--labels", "--label"),
        metavar="CLASS,…",
        help=f"class names or indices, cycled; default {UNIFORM}: all classes equally often",
    )
    add("--seed", type=_seed, help="default: that of the existing dataset, else random")
    add("--truncation", type=_truncation, metavar="T", help="0 < T ≤ 1; default 1")
    _add_model(parser)
    add("--by-class", action="store_true", default=None, help="write a folder per class")
    add("--shard-size", type=_at_least_one, metavar="N", help="images per tar file")
    add("--page-size", type=_at_least_one, default=64, metavar="N", help="images per request")
    _add_effort(parser, 4, "concurrent requests; default 4")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="default: the default model, else the only released one")
    parser.add_argument(
        "--version", type=_at_least_one, help="of the model; default: the released one"
    )


def _add_effort(parser: argparse.ArgumentParser, parallel: int | None, text: str) -> None:
    add = parser.add_argument
    add("--parallel", type=_at_least_one, default=parallel, metavar="N", help=text)
    add(
        "--patience-s",
        type=float,
        default=300.0,
        metavar="S",
        help="seconds to retry while the server is busy or unreachable; default 300",
    )


def _add_server(
    parser: argparse.ArgumentParser, url: str | None, text: str = f"default: {DEFAULT_URL}"
) -> None:
    parser.add_argument("--url", default=url, help=text)
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="file with the API key")


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"it is {number}; at least 1 is allowed")
    return number


def _seed(text: str) -> int:
    if not 0 <= (seed := int(text)) < SEED_END:
        raise argparse.ArgumentTypeError(f"it is {seed}; 0 … 2^64 - 1 are allowed")
    return seed


def _truncation(text: str) -> float:
    if not 0 < (truncation := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"it is {truncation}; 0 < T ≤ 1 is allowed")
    return truncation


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
