"""Train image generators, evaluate them, and publish them as bundles."""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mirage.bundle.errors import BundleError
from mirage.training.cli import (
    encode,
    evaluate,
    export,
    fit_direction,
    prepare,
    prepare_sequences,
    retrain,
    stack_mnist,
    sweep,
    watch,
)
from mirage.training.cli.flags import add_threads, describing, print_notes
from mirage.training.cli.recipe import add_recipe, config_of, facts_of, preset_of, read_recipe
from mirage.training.config import TrainConfig
from mirage.training.data.load import load_dataset
from mirage.training.data.sources.mnist import MIRROR, download_mnist
from mirage.training.errors import DataError, TrainingError, UsageError, exit_code_of
from mirage.training.evaluation import classifier
from mirage.training.evaluation.scores.cas import EPOCHS
from mirage.training.lengths import MAX_HOURS
from mirage.training.optim.distributed import reports
from mirage.training.recipe import AUTO
from mirage.training.runs.closing import closing, opening
from mirage.training.runs.device import resolve_device, resolve_precision
from mirage.training.runs.dry_run import dry_run
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from mirage.training.runs.time_budget import kimg_in, plan
from mirage.training.tasks.registry import TASKS


def main(arguments: Sequence[str] | None = None, prog: str = "python -m training") -> int:
    """Run one command and return its exit code; `training.errors` lists them."""
    # Pictures that are too large are left out and named, so Pillow's warning adds nothing.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    parser = argparse.ArgumentParser(prog, description=__doc__)
    add_commands(describing(parser.add_subparsers(required=True, metavar="COMMAND").add_parser))
    options = parser.parse_args(arguments)
    try:
        for line in options.command(options) or ():
            print(line)
    except (TrainingError, BundleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return exit_code_of(error)
    except OSError as error:  # such as a full disk, no permission, no such file
        print(f"error: {error}", file=sys.stderr)
        return TrainingError.exit_code
    return 0


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parsers; `add` is the method `add_parser` of subparsers."""
    _add_train(add("train", help="train networks; run again to resume"))
    evaluate.add_commands(add)
    retrain.add_command(add)
    sweep.add_command(add)
    export.add_command(add)
    encode.add_command(add)
    fit_direction.add_command(add)
    watch.add_command(add)
    _add_classifier(
        add("train-classifier", aliases=["judge"], help="train the classifier that scores digits")
    )
    _add_mnist(add("download-mnist", help="download the MNIST files"))
    stack_mnist.add_command(add)
    prepare.add_command(add)
    prepare_sequences.add_command(add)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_train)
    add_recipe(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--hours",
        type=float,
        help="with preset auto: train as many images as fit, measured once when the run begins",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show settings and data without training"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="also log to TensorBoard (needs an extra)"
    )
    parser.add_argument(
        "--checkpoints-to",
        metavar="URL",
        help="copy each checkpoint to s3://BUCKET/PREFIX, gs://… or az://…, and resume from there "
        "if --run has no newer one (extra s3)",
    )


def _add_classifier(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_train_classifier)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    add_threads(parser)


def _add_mnist(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=lambda options: download_mnist(options.folder, options.mirror))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mirror", default=MIRROR, help="where the four .gz files are")


def _train(options: argparse.Namespace) -> Iterator[str]:
    if options.hours is not None:
        _check_hours(options)
    config, data = read_recipe(options)
    device = resolve_device(options.device)
    TASKS[config.task].check(config, data)
    if options.hours is not None:
        config, lines = _planned(options, config, data, device)
        yield from lines
    if options.dry_run:
        _set_threads(options)
        auto = config.preset == AUTO
        facts = facts_of(data, options.device, config.schedule_kimg) if auto else None
        yield from dry_run(config, data, options.run, device, facts)
        return
    if reports():
        print_notes(data)
        precision = resolve_precision(config.precision, device)
        config = config.model_copy(update={"precision": precision})
        run = Run(options.run)
        run.check_config(config, data.sheet())
        run.check_length(config.kimg)
        sys.stderr.writelines(f"{line}\n" for line in opening(run))
    run = train(
        config,
        data,
        options.run,
        options.threads,
        device,
        options.start,
        options.tensorboard,
        options.allow_restart,
        options.checkpoints_to,
    )
    if reports():
        sys.stderr.writelines(f"{line}\n" for line in closing(run, options.data))


def _check_hours(options: argparse.Namespace) -> None:
    if not 0 < options.hours <= MAX_HOURS:
        raise UsageError(
            f"--hours is {options.hours:g}; it must be above 0 and at most {MAX_HOURS:,}, a year"
        )
    if preset_of(options) != AUTO or options.kimg is not None:
        raise UsageError("--hours requires --preset auto, and excludes --kimg")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("--hours is for one process, because each would measure another length")


def _planned(
    options: argparse.Namespace, config: TrainConfig, data: Any, device: torch.device
) -> tuple[TrainConfig, Iterable[str]]:
    """The configuration of a length that fits into --hours, and its plan.

    A run that has begun keeps its length and its schedules, which differ after another --kimg.
    """
    run = Run(options.run)
    if run.config_file.exists():
        kimg = run.read_config()[0].kimg
        kept = config_of(options, data).model_copy(update={"kimg": kimg})
        return kept, [
            f"plan           {kimg:g} kimg, as the run has recorded; --kimg N instead of --hours "
            "changes the length"
        ]
    _set_threads(options)
    planned = config_of(options, data, kimg_in(options.hours, config, data, device))
    return planned, plan(options.hours, planned)


def _train_classifier(options: argparse.Namespace) -> None:
    _set_threads(options)
    real, test = load_dataset(options.data), load_dataset(options.data, split="test")
    if real.labels is None or test.labels is None:
        raise DataError("--data has no classes; a classifier needs them")
    network = classifier.fit(real.images, real.labels, options.epochs, options.seed)
    _, predicted = classifier.classify(network, test.images)
    accuracy = float((predicted == test.labels).mean())
    sha256 = classifier.save_classifier(network, options.to, accuracy)
    print(f"{accuracy:.2%} of the test images classified correctly; sha256 {sha256}")


def _set_threads(options: argparse.Namespace) -> None:
    if options.threads:
        torch.set_num_threads(options.threads)


if __name__ == "__main__":
    raise SystemExit(main())
