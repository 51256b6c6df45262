"""The command `draw` for datasets in shards: flags, drawing and verification."""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

from ..flags import at_least_one
from ..local import LocalSource, open_local, useful_processes
from ..progress import Progress
from ..resolve import DatasetOptions
from .dataset import Dataset, begin_dataset, read_dataset
from .draw import DrawJob, turned
from .part import find_part
from .plan import FORMATS, INDEX
from .pool import work_through
from .verify import VerifyJob, write_index

FILES = (".tar", ".png", ".wav", ".txt")  # the suffixes of outputs that are no folders
FLAGS = ("format", "part", "of", "processes")  # those of shards alone
REQUIRED = ("model", "count")
SETTINGS = (
    *(*REQUIRED, "version", "models", "seed", "labels", "truncation", "by_class", "shard_size"),
    *("format", "part", "of"),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `draw` that only datasets in shards have."""
    add = parser.add_argument_group("shards", "of a folder or URL, drawn by all CPUs").add_argument
    add("--format", choices=FORMATS, help="of the shards; default tar")
    add("--part", type=int, metavar="I", help="draw shards I, I + M, I + 2·M …; from 0")
    add("--of", type=at_least_one, metavar="M", help="number of parts")
    add("--processes", type=at_least_one, metavar="N", help="default: one per CPU, or per GPU")
    add(
        "--verify",
        action="store_true",
        default=None,
        help=f"check all shards of the output instead, and write {INDEX}",
    )


def path_or_url(text: str) -> Path | str:
    """Parse an output; URLs stay text."""
    return text if "://" in text else Path(text)


def is_sharded(options: argparse.Namespace) -> bool:
    """Whether `draw` writes or checks shards in a folder or at a URL."""
    if isinstance(options.output, str):
        return True
    return options.output.suffix not in FILES and bool(_given(options, *FLAGS, "shard_size"))


def fault(options: argparse.Namespace) -> str | None:
    """The error of a combination of options, or None."""
    if options.verify:
        if given := _given(options, *SETTINGS):
            return f"--verify reads the settings of the dataset; remove {given[0]}"
        return None
    if missing := [name for name in REQUIRED if getattr(options, name) is None]:
        return f"the following arguments are required: {', '.join(map(_flag, missing))}"
    if not is_sharded(options):
        given = _given(options, *FLAGS)
        return f"{given[0]} needs a folder or URL; --output is {options.output}" if given else None
    if options.by_class:
        return f"--by-class needs a folder of images; {options.output} gets shards"
    try:
        find_part(options.part, options.of, os.environ)
    except ValueError as error:
        return str(error)
    return None


def draw(options: argparse.Namespace) -> None:
    """Draw the missing shards of a part, or check all shards."""
    if options.verify:
        _verify(options)
        return
    part = find_part(options.part, options.of, os.environ)
    with closing(open_local(options.models, options.model, options.version, 0)) as source:
        dataset = _begin(source, options)
        shards = part.shards(dataset.plan.total)
        processes = _processes(options, source.runtime["provider"], shards)
        job, progress = DrawJob(dataset, options.models, options.model), Progress(sys.stderr)
        progress.begin(dataset.plan.images(shards), 0)
        if processes == 1:
            work = job.work(source)
            for shard in turned(shards):
                work(shard, progress)
    if processes > 1:
        for _ in work_through(job, turned(shards), processes, progress):
            pass
    progress.end()
    dataset.open_place().tidy()
    record, images = dataset.record, dataset.plan.images(shards)
    which = f"part {part.number} of {part.of}, " if part.of > 1 else ""
    model = f"{record.model}@{record.version}"
    print(f"{options.output}: {which}{images} images of {model}, seed {record.seed}")


def _begin(source: LocalSource, options: argparse.Namespace) -> Dataset:
    (model,) = source.models()
    wanted = DatasetOptions(
        model=model.name,
        version=model.released,
        seed=options.seed,
        labels=options.labels,
        truncation=options.truncation,
        by_class=False,
        shard_size=options.shard_size,
    )
    return begin_dataset(options.output, source, wanted, options.count, options.format)


def _verify(options: argparse.Namespace) -> None:
    dataset = read_dataset(options.output)
    plan, progress = dataset.plan, Progress(sys.stderr)
    shards = range(plan.total)
    progress.begin(plan.count, 0)
    processes = _processes(options, "cpu", shards)
    size = write_index(dataset, list(work_through(VerifyJob(dataset), shards, processes, progress)))
    progress.end()
    dataset.open_place().tidy()
    found = f"{plan.count} images in {plan.total} shards, {size} bytes"
    print(f"{options.output}: {found}; {INDEX} lists them")


def _processes(options: argparse.Namespace, provider: str, shards: range) -> int:
    return max(1, min(options.processes or useful_processes(provider), len(shards)))


def _given(options: argparse.Namespace, *names: str) -> list[str]:
    return [_flag(name) for name in names if getattr(options, name) is not None]


def _flag(name: str) -> str:
    return "MODEL" if name == "model" else f"--{name.replace('_', '-')}"
