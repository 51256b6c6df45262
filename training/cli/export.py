"""The command `export`: publishes a run's last snapshot, or a bundle as a new version."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from mirage.bundle.format.verify import read_manifest
from mirage.training.cli.flags import add_card, add_drop_weights, card_of
from mirage.training.cli.recipe import GENERATE
from mirage.training.errors import UsageError
from mirage.training.evaluation.scorecard import read_scorecard, scores_file
from mirage.training.publish.destination import Destination, open_destination
from mirage.training.publish.export import publish, republish
from mirage.training.publish.half_precision import open_snapshot
from mirage.training.publish.model_card import ModelCard
from mirage.training.publish.model_kind import (
    ModelKind,
    check_kind,
    kind_of_bundle,
    kind_of_data,
)
from mirage.training.publish.pictures.publish import publish_pictures, republish_pictures
from mirage.training.runs.checkpoint import load_picture_network
from mirage.training.runs.initial_weights import is_bundle
from mirage.training.runs.run_dir import Run


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    parser = add("export", help="publish a run, or republish a bundle")
    parser.set_defaults(command=_export)
    parser.add_argument("source", type=Path, metavar="RUN|BUNDLE")
    parser.add_argument(
        "--to", required=True, metavar="MODELS/NAME|URL/NAME", help="a URL is of object storage"
    )
    parser.add_argument(
        "--allow-other-kind",
        action="store_true",
        help="also publish images of another shape or other classes than the released version's",
    )
    parser.add_argument(
        "--half-precision",
        action="store_true",
        help="round the weights to float16, which halves weights.safetensors and, without batch "
        "norms, model.onnx",
    )
    add_drop_weights(parser)
    add_card(parser.add_argument_group("model card", "By default a bundle keeps its card."))


def _export(options: argparse.Namespace) -> Iterator[str]:
    with TemporaryDirectory(prefix="mirage-export-") as copies:
        destination = open_destination(options.to, Path(copies))
        if not options.allow_other_kind:
            _check_kind(destination, options.source)
        version = destination.publish(lambda to: _write(options, to))
    yield f"{options.to.rstrip('/')}/{version}"


def _check_kind(destination: Destination, source: Path) -> None:
    released = destination.released_manifest()
    if released is not None:
        hint = ", or pass --allow-other-kind and release it when its clients are ready"
        check_kind(released, _kind(source), hint)


def _write(options: argparse.Namespace, to: Path) -> Path:
    if is_bundle(options.source):
        return _republish(options, to)
    half, keep = options.half_precision, not options.drop_weights
    return publish_run(Run(options.source), to, card_of(options), half, keep)


def _kind(source: Path) -> ModelKind:
    if is_bundle(source):
        return kind_of_bundle(read_manifest(source))
    return kind_of_data(*Run(source).read_config())


def _republish(options: argparse.Namespace, to: Path) -> Path:
    card, half, keep = card_of(options), options.half_precision, not options.drop_weights
    if read_manifest(options.source).task == GENERATE:
        return republish(options.source, to, card, half, keep)
    if card:
        raise UsageError(
            f"{options.source} takes pictures; its model card cannot be changed, export its "
            "run instead"
        )
    return republish_pictures(options.source, to, half, keep)


def publish_run(
    run: Run,
    to: Path,
    card: ModelCard | None = None,
    half: bool = False,
    keep_weights: bool = True,
) -> Path:
    """Publish the last snapshot of a run as the next version of the model folder `to`.

    half: round weights to float16. keep_weights: write them as a file. Returns the version's
    folder; raises TrainingError, BundleError.
    """
    config, data = run.read_config()
    path, card = run.latest_snapshot(), card or ModelCard()
    if config.task != GENERATE:
        network = load_picture_network(path)
        return publish_pictures(
            network, config, data, to, card, half=half, keep_weights=keep_weights
        )
    scorecard = read_scorecard(scores_file(path))
    scores = scorecard.scores if scorecard else {}
    with open_snapshot(path, half) as snapshot:
        return publish(snapshot, config, data, to, scores, card, keep_weights=keep_weights)
