"""The command `retrain`: trains, evaluates, gates, publishes and releases, for schedules."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from mirage.training.cli.flags import (
    add_card,
    card_of,
    positive,
    print_notes,
    read_splits,
)
from mirage.training.cli.picture_flags import read_pictures
from mirage.training.cli.recipe import (
    TRANSLATE,
    add_recipe,
    check_recipe,
    config_of,
    picture_config,
)
from mirage.training.config import TrainConfig
from mirage.training.data.dataset import Dataset, check_enough
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import GateError, UsageError
from mirage.training.publish.gate import Thresholds, flag
from mirage.training.publish.job_result import failure
from mirage.training.publish.model_card import ModelCard
from mirage.training.retrain import Job, retrain
from mirage.training.runs.device import resolve_device

SUMMARY = "train, evaluate, gate, publish; run again to resume"
ENDING = "The last line of standard output is the result as JSON, as in RUN/result.json."


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    parser = add("retrain", help=SUMMARY, description=SUMMARY, epilog=ENDING)
    parser.set_defaults(command=_retrain)
    add_recipe(parser)
    parser.add_argument(
        "--to", required=True, metavar="MODELS/NAME|URL/NAME", help="a URL is of object storage"
    )
    parser.add_argument("--run", type=Path, help="folder of the run; default: a new one in --runs")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="default: ./runs")
    parser.add_argument(
        "--keep-runs", type=positive, metavar="N", help="runs of this model to keep; default: all"
    )
    parser.add_argument("--release", action="store_true", help="release it if it passes the gate")
    parser.add_argument("--wait", action="store_true", help="wait for other jobs of this model")
    _add_thresholds(parser.add_argument_group("gate", "Requirements for publishing."))
    add_card(parser.add_argument_group("model card"))


def _add_thresholds(parser: argparse._ActionsContainer) -> None:
    for threshold in fields(Thresholds):
        parser.add_argument(
            flag(threshold.name),
            type=float,
            default=threshold.default,
            metavar="X",
            help=f"{threshold.metadata['meaning']}; default {threshold.default:g}",
        )


def _retrain(options: argparse.Namespace) -> Iterator[str]:
    try:
        result = retrain(_job(options))
    except Exception as error:
        yield failure(options.to.rstrip("/").rpartition("/")[2], error).model_dump_json()
        raise
    yield result.model_dump_json()
    if result.outcome == "refused":
        raise GateError("; ".join(result.reasons))


def _job(options: argparse.Namespace) -> Job:
    config, data, test = read_all(options)
    thresholds = {limit.name: getattr(options, limit.name) for limit in fields(Thresholds)}
    return Job(
        to=options.to,
        config=config,
        data=data,
        test=test,
        thresholds=Thresholds(**thresholds),
        card=card_of(options) or ModelCard(),
        runs=options.runs,
        run=options.run,
        threads=options.threads,
        device=resolve_device(options.device),
        start=options.start,
        allow_restart=options.allow_restart,
        release=options.release,
        wait=options.wait,
        keep_runs=options.keep_runs,
    )


def read_all(
    options: argparse.Namespace,
) -> tuple[TrainConfig, Dataset | PictureSet, Dataset | None]:
    """The configuration, the training data and the test split; None for pictures.

    Raises UsageError, also for task `translate`, and DataError.
    """
    check_recipe(options)
    if early := picture_config(options):
        if early.task == TRANSLATE:
            raise UsageError(
                f"task {early.task} has no score to compare; use train, evaluate and export"
            )
        pictures = read_pictures(options, early)
        print_notes(pictures)
        return early, pictures, None
    data, test = read_splits(options)
    print_notes(data)
    config = config_of(options, data)
    check_enough(data, config.batch_size)
    return config, data, test
