"""The command `sweep`: searches for settings by many trainings."""

import argparse
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from mirage.training.cli.flags import positive
from mirage.training.cli.recipe import add_recipe, check_recipe, config_of
from mirage.training.cli.retrain import read_all
from mirage.training.data.dataset import Dataset
from mirage.training.data.groups import content_hash
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import CollapseError, StoppedError, UsageError
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.retrain import publisher_of
from mirage.training.runs.device import resolve_device
from mirage.training.runs.loop import train
from mirage.training.sweep import KINDS, Sweep, Trial, examples_of, is_range

SUMMARY = "search for settings by many trainings; run again to resume, also several at once"
DESCRIPTION = f"""{SUMMARY}. A setting is searched where --set gives a range: {KINDS}. Trials are
compared by the Fréchet distance of images (score frechet), or by the PSNR of enlarged pictures
(psnr_y). A trial that the watchdog stops counts as a bad one."""
SCORES = {"generate": ("frechet", True), "upscale": ("psnr_y", False)}
"""The compared score of each task, and whether a lower one is better."""
KEPT = "preset", "task", "scale", "kimg", "changes", "start"
"""Flags that must stay the same when a sweep is resumed, beside the data."""
SHOWN = 16
"""Digits of a fingerprint."""


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    parser = add("sweep", help=SUMMARY, description=DESCRIPTION)
    parser.set_defaults(command=_sweep)
    add_recipe(parser)
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="folder of the trials' runs"
    )
    parser.add_argument("--trials", type=positive, default=20, help="of all processes; default: 20")


def _sweep(options: argparse.Namespace) -> Iterator[str]:
    given = [change.partition("=") for change in options.changes]
    ranges = {key: value for key, _, value in given if is_range(value)}
    if not ranges:
        raise UsageError(f"--set has no range; at least one is needed, as one of {KINDS}")
    options.changes = ["".join(change) for change in given if change[0] not in ranges]
    for example in examples_of(ranges):  # before the folder keeps the ranges for good
        check_recipe(_with(options, example))
    config, data, test = read_all(options)
    if isinstance(data, Dataset):
        Sizes.of(len(data.original))  # refuse too few for a score before anything is trained
    name, lower = SCORES[config.task]
    fixed = {flag: str(getattr(options, flag)) for flag in KEPT} | _fingerprints(data, test)
    sweep = Sweep(options.to, ranges, options.trials, lower, fixed)
    while True:
        with sweep.trial() as trial:
            if trial is None:
                break
            try:
                score = _score(options, trial, data, test, name)
            except CollapseError as error:
                sweep.prune(trial)
                yield f"{_told(trial)}  {error}"
            else:
                sweep.finish(trial, score)
                yield f"{_told(trial)}  {name} {score:.4g}"
    if best := sweep.best():
        yield f"best: {_told(best[0])}  {name} {best[1]:.4g}  {best[0].run}"


def _fingerprints(data: Dataset | PictureSet, test: Dataset | None) -> dict[str, str]:
    """Of what is trained on and scored with, which the content and the flags of reading decide."""
    if isinstance(data, PictureSet):
        kinds = [(picture.pixels, picture.low) for picture in data.held_out]
        hashes = [content_hash(pixels) for both in kinds for pixels in both if pixels is not None]
        held_out = hashlib.sha256("".join(hashes).encode()).hexdigest()
    else:
        held_out = (test or data).fingerprint
    return {"training data": data.fingerprint[:SHOWN], "held-out data": held_out[:SHOWN]}


def _with(
    options: argparse.Namespace, settings: dict[str, str], **more: Path
) -> argparse.Namespace:
    """The flags with values for the searched settings."""
    changes = [*options.changes, *(f"{key}={value}" for key, value in settings.items())]
    return argparse.Namespace(**{**vars(options), "changes": changes, **more})


def _told(trial: Trial) -> str:
    settings = " ".join(f"--set {key}={value}" for key, value in trial.settings.items())
    return f"trial {trial.number}  {settings}"


def _score(
    options: argparse.Namespace,
    trial: Trial,
    data: Dataset | PictureSet,
    test: Dataset | None,
    name: str,
) -> float:
    """Train what is left of a trial, and score it; raises CollapseError and StoppedError."""
    own = _with(options, trial.settings, run=trial.run)
    config = config_of(own, data if isinstance(data, Dataset) else None)
    device = resolve_device(options.device)
    start, restart = options.start, options.allow_restart
    run = train(config, data, trial.run, options.threads, device, start, allow_restart=restart)
    snapshot = run.latest_snapshot()
    if int(snapshot.stem) < config.kimg * 1000:
        raise StoppedError(f"stopped in trial {trial.number}; the same command resumes")
    publisher = publisher_of(config, data, test, trial.run, options.threads)
    return publisher.evaluate(snapshot, publisher.export(snapshot))[name].value
