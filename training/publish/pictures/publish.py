"""A run's network of pictures becomes the next version of a model; so does a bundle's."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirage.bundle.format.card import CARD
from mirage.bundle.format.manifest import Description
from mirage.bundle.format.verify import load_bundle, read_file
from mirage.training.config import TrainConfig
from mirage.training.evaluation.restoration import read_cards, restoration_file
from mirage.training.evaluation.translation import read_card as read_translation_card
from mirage.training.evaluation.translation import translation_file
from mirage.training.publish.bundle_contents import (
    BundleContents,
    card_under,
    publish_contents,
)
from mirage.training.publish.half_precision import open_picture_network
from mirage.training.publish.model_card import ModelCard
from mirage.training.publish.onnx_graph import GOLDEN_TOLERANCE, OPSET
from mirage.training.publish.pictures.card import upscaler_card
from mirage.training.publish.pictures.export import (
    check_picture_graph,
    describe_picture_network,
    export_picture_network,
    make_golden,
)
from mirage.training.publish.pictures.scores import manifest_scores, own_set
from mirage.training.publish.pictures.translation import translation_scores, translator_card
from mirage.training.runs.bundle_weights import WEIGHTS
from mirage.training.runs.checkpoint import PictureSnapshot
from mirage.training.runs.run_dir import Run

SAMPLES = "samples.png"


def publish_pictures(
    snapshot: PictureSnapshot,
    config: TrainConfig,
    data: dict[str, Any],
    to: Path,
    card: ModelCard,
    model: bytes | None = None,
    half: bool = False,
    keep_weights: bool = True,
) -> Path:
    """Export, check and publish a run's snapshot as the next version of the model folder `to`.

    data: the run's data sheet. model: the graph, if it was exported before with the weights as they
    are. half: round the weights to float16. keep_weights: write them as a file. Scores are those
    that are beside the snapshot: all of them stand in the model card, and in the manifest those of
    the largest set that was held out of the data, if possible degraded as in training, whose sheet
    becomes the samples. Other pictures are never shown. Answers as `publish_contents`. Raises
    ExportError when the graph does not make PyTorch's images, whole and in tiles, and BundleError
    when the store refuses it.
    """
    if config.task == "translate":
        return _publish_translator(snapshot, config, data, to, card, model, half, keep_weights)
    cards = read_cards(snapshot.path)
    own = own_set(cards, data["fingerprint"], config.degrade)
    scores = manifest_scores(cards[own]) if own else {}
    description = describe_picture_network(snapshot, config, data, scores)
    text = partial(
        upscaler_card,
        description=description,
        card=card,
        scores=cards,
        begun_from=config.begun_from,
    )
    samples = _samples(snapshot, own)
    return _publish(snapshot.path, description, to, text, samples, model, half, keep_weights)


def _publish_translator(
    snapshot: PictureSnapshot,
    config: TrainConfig,
    data: dict[str, Any],
    to: Path,
    card: ModelCard,
    model: bytes | None,
    half: bool,
    keep_weights: bool,
) -> Path:
    """Publish with the scores beside the snapshot, and their sheet as samples."""
    file = translation_file(snapshot.path)
    scores = read_translation_card(file)
    description = describe_picture_network(snapshot, config, data, translation_scores(scores))
    text = partial(
        translator_card,
        description=description,
        card=card,
        scores=scores,
        begun_from=config.begun_from,
    )
    sheet = file.with_suffix(".png") if scores else _samples(snapshot, None)
    return _publish(snapshot.path, description, to, text, sheet, model, half, keep_weights)


def republish_pictures(
    bundle: Path, to: Path, half: bool = False, keep_weights: bool = True
) -> Path:
    """Export, check and publish the weights of a bundle as the next version of the folder `to`.

    half, keep_weights: as of `publish_pictures`. Training, scores, samples and the model card, but
    for its title, are the bundle's. Answers and raises as `publish_pictures`, and BundleError
    for a bundle that does not verify, DataError for one without weights.
    """
    manifest = load_bundle(bundle).manifest
    news = {"opset": OPSET, "golden_tolerance": GOLDEN_TOLERANCE}
    description = manifest.description.model_copy(update=news)
    text = partial(card_under, read_file(bundle, manifest, CARD).decode(), manifest)
    samples = io.BytesIO(read_file(bundle, manifest, SAMPLES))
    return _publish(bundle / WEIGHTS, description, to, text, samples, None, half, keep_weights)


def _publish(
    weights: Path,
    description: Description,
    to: Path,
    card: Callable[[str, int], str],
    samples: Path | io.BytesIO,
    model: bytes | None,
    half: bool,
    keep_weights: bool,
) -> Path:
    with open_picture_network(weights, half) as snapshot:
        golden = make_golden(snapshot)
        graph = model or export_picture_network(snapshot)
        if description.pictures:
            check_picture_graph(graph, golden, description.pictures)
        sheets = {SAMPLES: np.asarray(Image.open(samples))}
        kept = snapshot.path if keep_weights else None
        contents = BundleContents(graph, description, golden, kept, card, lambda: sheets)
        return publish_contents(contents, to)


def _samples(snapshot: PictureSnapshot, own: str | None) -> Path:
    """The sheet of the set that was held out, else the sample grid that the run has drawn."""
    if own and (sheet := restoration_file(snapshot.path, own).with_suffix(".png")).exists():
        return sheet
    return Run(snapshot.path.parents[1]).grid_path(snapshot.nimg)
