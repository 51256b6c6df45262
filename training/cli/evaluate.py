"""The commands `evaluate`, `report`, `blind-sheet` and `compare`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from PIL import Image

from mirage.bundle.format.manifest import Score
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.durable import atomic_write
from mirage.training.cli.flags import (
    add_data_flags,
    data_options,
    read_splits,
)
from mirage.training.cli.picture_flags import add_picture_flags, add_style_flags
from mirage.training.cli.recipe import GENERATE, check_paths
from mirage.training.cli.restoration import evaluate_upscaler
from mirage.training.cli.task_flags import OF_IMAGES, check_flags, given
from mirage.training.cli.translation import evaluate_translator
from mirage.training.data.dataset import Dataset
from mirage.training.data.degradation import DEGRADATIONS
from mirage.training.data.load import load_dataset
from mirage.training.data.options import NONE
from mirage.training.errors import DataError, UsageError
from mirage.training.evaluation.blind_sheet import blind_sheet
from mirage.training.evaluation.contact_sheets import neighbour_sheet, real_sheet
from mirage.training.evaluation.evaluate import Evaluator, scores_by, self_supervised_scores
from mirage.training.evaluation.fast import is_short_of_time
from mirage.training.evaluation.feature_networks import FeatureNetwork, ScriptFeatures
from mirage.training.evaluation.media.choice import yardstick_of
from mirage.training.evaluation.reference import split
from mirage.training.evaluation.scorecard import Sizes, known_scorecard, table, write_scorecard
from mirage.training.evaluation.scores.cas import classification_accuracy
from mirage.training.evaluation.scores.stacked_mnist import stacked_scores
from mirage.training.publish.scored_model import ScoredModel, open_scored_model
from mirage.training.report.compare_page import Side, write_comparison
from mirage.training.report.run_page import write_report
from mirage.training.runs.initial_weights import is_bundle
from mirage.training.runs.mlflow_recorder import record_scores
from mirage.training.runs.run_dir import Run, write_text

Lines = Iterable[str]
Add = Callable[..., argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """Add the parsers; `add` is the method `add_parser` of subparsers."""
    _add_evaluate(add("evaluate", help="score a run's last snapshot or a bundle"))
    _add_report(add("report", help="write a run's report.html"))
    _add_blind_sheet(add("blind-sheet", help="draw real and generated images for a blind test"))
    _add_compare(add("compare", help="write a page with two generators of images side by side"))


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_evaluate)
    parser.add_argument(
        "source",
        type=Path,
        metavar="RUN|BUNDLE",
        help="folder of a run, whose last snapshot is scored, or of a bundle",
    )
    _add_sizes(parser)
    add_picture_flags(parser)
    add_style_flags(parser)
    parser.add_argument(
        "--cas", action="store_true", help="also train classifiers; takes about an hour"
    )
    parser.add_argument("--stacked", action="store_true", help="also count the Stacked-MNIST modes")
    parser.add_argument(
        "--self-supervised",
        action="store_true",
        help="also score in features trained without the classes of the data",
    )
    parser.add_argument(
        "--inception", type=Path, metavar="FILE", help="TorchScript network for further distances"
    )
    parser.add_argument(
        "--to", type=Path, metavar="FILE.json", help="write the scores to this file"
    )
    parser.add_argument(
        "--degrade",
        type=_degradations,
        metavar="NAME[,NAME …]",
        help="how the low resolution is degraded, for --task upscale; none for not at all; "
        "default: as in training",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="PREFIX",
        help="score only pictures whose names have it, for --task upscale",
    )


def _degradations(text: str) -> tuple[str, ...]:
    names = () if text == NONE else tuple(text.split(","))
    if unknown := [name for name in names if name not in DEGRADATIONS]:
        allowed = ", ".join((NONE, *DEGRADATIONS))
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is unknown; allowed are {allowed}")
    return names


def _add_sizes(parser: argparse._ActionsContainer) -> None:
    add_data_flags(parser, False, "the data that the model was trained on")
    parser.add_argument(
        "--fast",
        action="store_true",
        help="estimate in about a minute, from as many of 12,000 images as fit",
    )
    parser.add_argument("--seeds", type=int, default=1, help="repetitions; 3 estimate the spread")
    parser.add_argument("--threads", type=int, help="CPU threads; default: chosen by torch")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=lambda options: [str(write_report(Run(options.run), options.to))])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--to", type=Path, metavar="FILE.html", help="default: RUN/report.html")


def _add_blind_sheet(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_blind_sheet)
    parser.add_argument("source", type=Path, metavar="RUN|BUNDLE")
    add_data_flags(parser, meaning="the data that the model was trained on")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0, help="decides the images and their order")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_compare)
    parser.add_argument("first", type=Path, metavar="RUN|BUNDLE")
    parser.add_argument("second", type=Path, metavar="RUN|BUNDLE")
    parser.add_argument("--to", type=Path, default=Path("compare.html"), metavar="FILE.html")
    _add_sizes(
        parser.add_argument_group("scoring", "Without --data, recorded scores are compared.")
    )


def _evaluate(options: argparse.Namespace) -> Lines:
    task = _task_of(options.source)
    if task not in EVALUATIONS:
        raise UsageError(
            f"{options.source} is of task {task}; allowed are {', '.join(EVALUATIONS)}"
        )
    check_paths(options, task)
    check_flags(options, task)
    _check_target(options.to)
    return EVALUATIONS[task](options)


def _check_target(file: Path | None) -> None:
    """Raise UsageError unless a file can be written there, which is tried only after scoring."""
    if file and not file.parent.is_dir():
        raise UsageError(f"--to is {file}; there is no folder {file.parent}")
    if file and file.is_dir():
        raise UsageError(f"--to is {file}, which is a folder; a file is expected")


def _task_of(path: Path) -> str:
    """The task of a bundle or a run."""
    if is_bundle(path):
        return read_manifest(path).task
    return Run(path).read_config()[0].task


def _evaluate_images(options: argparse.Namespace) -> Lines:
    model = open_scored_model(options.source)
    _check_images(model, *given(options, *OF_IMAGES))
    evaluator = _evaluator(options, model)
    _check_extras(options, model, evaluator.test)
    inception = ScriptFeatures(options.inception) if options.inception else None
    card = evaluator.score(model.graph, options.seeds)
    more, spread = _extras(options, model.graph, evaluator, inception)
    card = card.model_copy(update={"scores": card.scores | more, "spread": card.spread | spread})
    if model.data_fingerprint != evaluator.data_fingerprint:
        yield "the model was trained on other data"
    yield from table(card)  # first, so that scores that cannot be written are not lost
    if file := options.to or model.scores_file:
        if file.exists() and not known_scorecard(file):
            yield f"{file.name} is not a scorecard of this version; it is replaced"
        write_scorecard(file, card)
        _write_sheets(file, evaluator, model.graph)
    if not is_bundle(options.source):
        record_scores(Run(options.source), card.scores)


EVALUATIONS: dict[str, Callable[[argparse.Namespace], Lines]] = {
    "generate": _evaluate_images,
    "upscale": evaluate_upscaler,
    "translate": evaluate_translator,
}


def _evaluator(options: argparse.Namespace, *models: ScoredModel) -> Evaluator:
    if options.seeds < 1:
        raise UsageError(f"--seeds is {options.seeds}; at least 1 is needed")
    if options.threads:
        torch.set_num_threads(options.threads)
    train, test = read_splits(options, models[0].data_options)
    for model in models:
        _check_shape(model, train)
        _check_classes(model, train)
    return Evaluator(train, test, sizes=_sizes(options, train.original, models))


def _sizes(options: argparse.Namespace, train: Dataset, models: Sequence[ScoredModel]) -> Sizes:
    if not options.fast:
        return Sizes.of(len(train))
    yardstick = yardstick_of(train, split(len(train), Sizes.of(len(train), fast=True)))
    sizes = yardstick.fast_sizes([model.graph for model in models], options.seeds)
    limit = ", as many as fit into a minute" if is_short_of_time(sizes, len(train)) else ""
    sys.stderr.write(
        f"--fast: {sizes.reference + sizes.generated:,} of {len(train):,} real "
        f"{train.medium.noun} and {sizes.generated:,} generated ones{limit}\n"
    )
    return sizes


def _check_shape(model: ScoredModel, data: Dataset) -> None:
    shape = data.images.shape[1:]
    if data.medium.meaning == "images" and model.image != shape:
        raise DataError(
            f"--data has images of shape {shape}, and {model.name} makes {model.image} (height, "
            "width, channels); --size and --channels say how they are read"
        )


def _check_classes(model: ScoredModel, data: Dataset) -> None:
    if model.classes and len(model.classes) != len(data.classes):
        raise DataError(
            f"{model.name} has {len(model.classes)} classes and --data {len(data.classes)}"
        )
    if set(model.classes) != set(data.classes):
        return  # other names for the same number of classes
    for number, (own, other) in enumerate(zip(model.classes, data.classes, strict=True)):
        if own != other:
            raise DataError(
                f"{model.name} has its classes in another order than --data:"
                f" class {number} is {own} there and {other} here"
            )


def _check_generators(command: str, *paths: Path) -> None:
    """Raise DataError for runs and bundles of other tasks, before graphs are exported."""
    for path in paths:
        if (task := _task_of(path)) != GENERATE:
            raise DataError(f"{path} is of task {task}; {command} is for generators of images")


def _check_images(model: ScoredModel, *uses: str) -> None:
    """Raise DataError if a model of another medium is to be used for what only images have."""
    if uses and model.medium.meaning != "images":
        raise DataError(
            f"{model.name} makes {model.medium.noun}; {' and '.join(uses)} can only be used for "
            "images"
        )


def _check_extras(options: argparse.Namespace, model: ScoredModel, test: Dataset | None) -> None:
    """Raise DataError before scoring, which takes long, rather than after it."""
    if options.cas and (test is None or not model.classes):
        raise DataError("--cas needs a model with classes and data with a test split")
    if options.self_supervised and not model.classes:
        raise DataError(
            "--self-supervised needs a model with classes; others are scored so already"
        )
    if options.stacked and (model.classes or model.image[2] != 3):
        raise DataError("--stacked needs a model of RGB images without classes")


def _extras(
    options: argparse.Namespace,
    model: bytes,
    evaluator: Evaluator,
    inception: FeatureNetwork | None,
) -> tuple[dict[str, Score], dict[str, float]]:
    """The optional scores, and the spread of those that have one."""
    scores: dict[str, Score] = {}
    spread: dict[str, float] = {}
    if options.cas and evaluator.test:
        scores["cas"] = classification_accuracy(model, evaluator.train, evaluator.test)
    if options.self_supervised:
        scores |= self_supervised_scores(evaluator, model)
    if inception:
        scores |= scores_by(inception, evaluator, model, "inception")
    if options.stacked:
        found, spread = stacked_scores(model, evaluator.train)
        scores |= found
    return scores, spread


def _write_sheets(file: Path, evaluator: Evaluator, model: bytes) -> None:
    train = evaluator.train
    stem = file.with_name(file.name.removesuffix(".json").removesuffix(".scores"))
    sheets = {
        "real": real_sheet(train.images, train.labels, train.medium.pictures),
        "neighbours": neighbour_sheet(evaluator, model),
    }
    for name, sheet in sheets.items():
        Image.fromarray(sheet.squeeze()).save(f"{stem}.{name}.png")


def _blind_sheet(options: argparse.Namespace) -> Lines:
    if options.seed < 0:
        raise UsageError(f"--seed is {options.seed}; it must be at least 0")
    _check_generators("blind-sheet", options.source)
    model = open_scored_model(options.source)
    _check_images(model, "blind-sheet")
    data = load_dataset(options.data, options=data_options(options, model.data_options))
    _check_shape(model, data)
    _check_classes(model, data)
    drawn = blind_sheet(model.graph, data, options.seed)
    options.to.mkdir(parents=True, exist_ok=True)
    for name, picture in {"sheet": drawn.sheet, "neighbours": drawn.neighbours}.items():
        with atomic_write(options.to / f"{name}.png") as file:
            picture.save(file, "PNG")
    write_text(options.to / "key.json", json.dumps(drawn.key, indent=2) + "\n")
    yield f"show only {options.to / 'sheet.png'}; key.json and neighbours.png hold the answers"


def _compare(options: argparse.Namespace) -> Lines:
    paths = options.first, options.second
    _check_generators("compare", *paths)
    models = [open_scored_model(path) for path in paths]
    for model in models:
        _check_images(model, "compare")
    cards = [model.card for model in models]
    if options.data:
        evaluator = _evaluator(options, *models)
        cards = [evaluator.score(model.graph, options.seeds) for model in models]
    first, second = map(Side, models, cards)
    yield str(write_comparison(first, second, options.to))
