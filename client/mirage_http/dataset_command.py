"""The commands `generate` and `draw`."""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from .base import DEFAULT_URL
from .bulk import command as bulk
from .client import Client
from .dataset import Output, fill
from .errors import DatasetError
from .flags import (
    add_effort,
    add_model,
    add_server,
    add_version,
    at_least_one,
    images,
    seed,
    truncation,
)
from .folder import Folder
from .local import open_local
from .new_file import new_file
from .progress import Progress
from .record import Record, lock_dataset, read_record
from .resolve import UNIFORM, DatasetOptions, resolve
from .source import Source
from .tar import SUFFIX, Tar

SINGLE = {".png": "image", ".wav": "sound", ".txt": "sequence"}  # suffixes of one item
# Files that are not written, rather than names of folders; SINGLE in capitals is among them.
REFUSED = {*SINGLE, *".jpg .jpeg .webp .gif .bmp .tif .tiff .avif .svg .mp3 .flac .ogg".split()}


def add_generate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `generate`."""
    parser.set_defaults(command=generate)
    add_server(parser, DEFAULT_URL)
    add = parser.add_argument
    add("--count", type=images, required=True, metavar="N", help="total number of images")
    add(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="DIR|FILE.tar|FILE.png|FILE.wav|FILE.txt",
        help="folder of PNG, WAV or text files, tar file for WebDataset, or a single file",
    )
    _add_dataset(parser)
    add_model(parser)
    add("--page-size", type=at_least_one, default=64, metavar="N", help="images per request")
    add_effort(parser, 4, "concurrent requests; default 4")


def add_draw(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `draw`."""
    parser.set_defaults(command=draw, url=None, key_file=None)
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="name, or folder such as models/NAME/VERSION"
    )
    add_version(parser)
    parser.add_argument("--models", type=Path, metavar="DIR", help="default: the service's folder")
    add = parser.add_argument
    add("--count", type=images, metavar="N", help="total number of images, such as 500 or 1e9")
    add(
        *("-o", "--output"),
        type=bulk.path_or_url,
        required=True,
        metavar="DIR|URL|FILE.tar|FILE.png|FILE.wav|FILE.txt",
        help="folder of PNG, WAV or text files or, with --shard-size, of shards; URL of a folder of"
        " shards in object storage; tar file for WebDataset; or a single file",
    )
    _add_dataset(parser)
    bulk.add_flags(parser)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        *("--labels", "--label"),
        metavar="CLASS,…",
        help=f"class names or indices, cycled; default {UNIFORM}: all classes equally often",
    )
    add("--seed", type=seed, help="default: that of the existing dataset, else random")
    add("--truncation", type=truncation, metavar="T", help="0 < T ≤ 1; default 1")
    add("--by-class", action="store_true", default=None, help="write a folder per class")
    add("--shard-size", type=images, metavar="N", help="images per tar file")


def fault(options: argparse.Namespace) -> str | None:
    """The error of a combination of options, or None."""
    output, suffix = options.output, options.output.suffix
    if suffix not in SINGLE and suffix.lower() in REFUSED:
        return f"--output is {output}; single files end in {', '.join(SINGLE)}"
    kind = {SUFFIX: "archive", **SINGLE}.get(suffix, "folder")
    if suffix in SINGLE and options.count > 1:
        return f"--output is the {kind} {output}; --count is {options.count}, and 1 is allowed"
    if options.by_class and kind != "folder":
        return f"--by-class needs a folder; --output is the {kind} {output}"
    if options.shard_size and kind != "archive":
        return f"--shard-size needs an archive; --output is the {kind} {output}"
    return None


def draw_fault(options: argparse.Namespace) -> str | None:
    """The error of a combination of options of `draw`, or None."""
    found = bulk.fault(options)
    return found or (None if bulk.is_sharded(options) or options.verify else fault(options))


def generate(client: Client, options: argparse.Namespace) -> None:
    """Write a dataset, or one image, that a server makes."""
    _write(client, _wanted(options), options)


def draw(_client: None, options: argparse.Namespace) -> None:
    """Write a dataset, or one image, that this process makes; or shards, in several processes."""
    if options.verify or bulk.is_sharded(options):
        bulk.draw(options)
        return
    with closing(open_local(options.models, options.model, options.version)) as source:
        (model,) = source.models()
        options.model, options.version = model.name, model.released
        _write(source, _wanted(options), options)


def _wanted(options: argparse.Namespace) -> DatasetOptions:
    return DatasetOptions(
        **{name: getattr(options, name) for name in DatasetOptions.__dataclass_fields__}
    )


def _write(source: Source, wanted: DatasetOptions, options: argparse.Namespace) -> None:
    path: Path = options.output
    if path.suffix in SINGLE:
        record = _write_image(source, wanted, path)
        written = "1 image"
    else:
        record = _write_dataset(source, wanted, path, options.count)
        written = f"{options.count} images" if options.count > 1 else "1 image"
    print(f"{path}: {written} of {record.model}@{record.version}, seed {record.seed}")


def _write_image(source: Source, wanted: DatasetOptions, path: Path) -> Record:
    if path.exists():
        raise DatasetError(f"{path} exists and is not replaced")
    record = resolve(source, wanted, None)
    if path.suffix != record.suffix:
        raise DatasetError(
            f"suffix of {path} is {path.suffix}; {record.model} makes {record.suffix} files"
        )
    image = next(
        source.stream_files(
            1,
            seed=record.seed,
            labels=record.label if record.labels else None,
            truncation=record.truncation,
            model=record.model,
            version=record.version,
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as file:
        file.write(image.data)
    return record


def _write_dataset(source: Source, wanted: DatasetOptions, path: Path, count: int) -> Record:
    output: Output = Tar(path) if path.suffix == SUFFIX else Folder(path)
    existing = read_record(output.record_path)
    if existing is None and output.occupied():
        raise DatasetError(f"{path} exists and was not created by this command")
    record = resolve(source, wanted, existing)
    output.check(record)
    with lock_dataset(output.record_path, record):
        fill(source, record, output, count, Progress(sys.stderr))
    return record
