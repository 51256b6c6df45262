"""The commands `upscale` and `translate`."""

import argparse
import sys
from contextlib import closing, nullcontext
from pathlib import Path

from ..client import Client
from ..dataset_command import REFUSED
from ..errors import PictureError
from ..lock import lock_folder
from ..progress import Progress
from .batch import Outcome, enlarge_all
from .enlarger import Enlarger
from .folder import find_jobs
from .local import open_local
from .server import ServerEnlarger

UPSCALE, TRANSLATE = "upscale", "translate"
DONE = {UPSCALE: "enlarged", TRANSLATE: "translated"}
PARALLEL = 4  # requests, unless the command names another number


def add_arguments(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the arguments, except the server's."""
    add = parser.add_argument
    add("source", type=Path, metavar="FOLDER|FILE", help="pictures: PNG, JPEG and WebP files")
    add(
        *("-o", "--output"),
        type=Path,
        required=True,
        metavar="DIR|FILE.png",
        help="folder of the new pictures, with the same sub-folders",
    )
    parser.set_defaults(task=task, scale=None)
    if task == UPSCALE:
        add(
            "--scale",
            type=_scale,
            metavar="S",
            help="1 < S ≤ the model's scale; default: the model's",
        )
    add("--models", type=Path, metavar="DIR", help="folder of models without --url")


def fault(options: argparse.Namespace) -> str | None:
    """The error of a combination of options, or None."""
    if options.output.suffix.lower() in REFUSED - {".png"}:
        return f"--output is {options.output}; a single picture ends in .png"
    if options.url is not None and options.models is not None:
        return "--models is for pictures that are made in this process, without --url"
    if options.url is None and options.key_file is not None:
        return "--key-file needs --url"
    return None


def convert(client: Client | None, options: argparse.Namespace) -> None:
    """Convert the pictures of a folder, or a single one; without a client in this process.

    Raises PictureError after the other pictures if some fail.
    """
    source, output = options.source, options.output
    jobs = find_jobs(source, output)
    progress = Progress(sys.stderr, rate=False)
    lock = lock_folder(output) if source.is_dir() else nullcontext()
    with closing(_enlarger(client, options)) as enlarger, lock:
        outcome = enlarge_all(jobs, enlarger, progress.begin, progress.advance)
    progress.end()
    _report(outcome, enlarger, output, DONE[options.task])


def _enlarger(client: Client | None, options: argparse.Namespace) -> Enlarger:
    if client is None:
        return open_local(
            options.models,
            options.model,
            options.version,
            options.parallel,
            options.scale,
            options.task,
        )
    parallel = options.parallel or PARALLEL
    return ServerEnlarger(
        client, parallel, options.scale, options.model, options.version, options.task
    )


def _report(outcome: Outcome, enlarger: Enlarger, output: Path, done: str) -> None:
    """Print a summary; raises PictureError if pictures failed."""
    print(
        f"{output}: {outcome.enlarged} {done} by {enlarger.name},"
        f" {outcome.existing} existing, {len(outcome.failed)} failed"
    )
    for job, error in outcome.failed.items():
        print(f"{job.picture}: {error}", file=sys.stderr)
    if outcome.failed:
        raise PictureError(f"{len(outcome.failed)} pictures failed; run again to retry them")


def _scale(text: str) -> float:
    if not (scale := float(text)) > 1:
        raise argparse.ArgumentTypeError(f"it is {scale:g}; more than 1 is allowed")
    return scale
