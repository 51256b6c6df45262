"""The EMA generator of a snapshot -> ONNX, checked against PyTorch, published as a bundle.

A published bundle can be exported again, from its own weights: for what newer exports have.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from mirage.bundle.format.card import CARD
from mirage.bundle.format.golden import Case, Golden, golden_inputs
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Description, Direction, Manifest, Score
from mirage.bundle.format.outputs import OUTPUTS
from mirage.bundle.format.verify import load_bundle, read_file
from mirage.training.config import TrainConfig
from mirage.training.errors import ExportError
from mirage.training.networks.families import FAMILIES, GeneratorArchitecture
from mirage.training.publish.bundle_contents import (
    BundleContents,
    card_under,
    publish_contents,
    training_of,
)
from mirage.training.publish.half_precision import open_snapshot
from mirage.training.publish.latent_directions import find_directions
from mirage.training.publish.model_card import ModelCard, direction_strips, model_card, sample_grid
from mirage.training.publish.onnx_graph import OPSET, to_onnx
from mirage.training.runs.bundle_weights import WEIGHTS
from mirage.training.runs.checkpoint import ServedGenerator, Snapshot

PARITY_BATCHES = (1, 3, 17)
MAX_IMAGES = 65_536
SEEDS = range(50)
"""Samples that a model card prints, if they are text."""


def export_onnx(snapshot: Snapshot) -> bytes:
    """The served graph as one ONNX file without external data, checked by `check_parity`."""
    inputs = _example_inputs(snapshot.architecture, 2)
    names = ["latents", "labels"][: len(inputs)]
    batch = torch.export.Dim("N", min=1, max=MAX_IMAGES)
    module = ServedGenerator(snapshot.generator).eval()
    outputs = [snapshot.architecture.medium.meaning]
    return to_onnx(module, dict(zip(names, inputs, strict=True)), {0: batch}, outputs)


def _example_inputs(architecture: GeneratorArchitecture, count: int) -> tuple[Tensor, ...]:
    latents, _ = draw_latents(1, 0, count, architecture.latent_dim)
    if not architecture.num_classes:
        return (torch.from_numpy(latents),)
    return torch.from_numpy(latents), torch.arange(count) % architecture.num_classes


def check_parity(snapshot: Snapshot, model: bytes) -> int:
    """Compare onnxruntime with PyTorch at batch 1, 3 and 17; answers the largest difference seen.

    Raises ExportError when a value differs by more than rounding in float32 makes: of images by
    more than one grey level.
    """
    output = OUTPUTS[snapshot.architecture.medium.meaning]
    largest, mean = output.allowed(output.tolerance, reduced=False)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    worst = 0
    for count in PARITY_BATCHES:
        inputs = _example_inputs(snapshot.architecture, count)
        with torch.inference_mode():
            expected = ServedGenerator(snapshot.generator)(*inputs).numpy()
        names = [item.name for item in session.get_inputs()]
        feed = dict(zip(names, (item.numpy() for item in inputs), strict=True))
        (made,) = session.run([snapshot.architecture.medium.meaning], feed)
        differences = output.differences(made, expected)
        difference = int(differences.max())
        if difference > largest or differences.mean() > mean:
            found = difference if difference > largest else f"{differences.mean():.3g}"
            raise ExportError(
                f"onnxruntime differs from PyTorch by {found} {output.unit} at batch {count}; "
                f"at most {output.tolerance:g} is allowed, so nothing was published"
            )
        worst = max(worst, difference)
    return worst


def publish(
    snapshot: Snapshot,
    config: TrainConfig,
    data: dict,
    to: Path,
    scores: dict[str, Score],
    card: ModelCard,
    model: bytes | None = None,
    keep_weights: bool = True,
) -> Path:
    """Export, check and publish a snapshot as the next version of the model folder `to`.

    data: the run's data sheet. model: the graph, if it was exported before. keep_weights: write
    them as a file. Answers as `publish_contents`. Raises ExportError on a mismatch, and
    BundleError when the store refuses it.
    """
    description = _describe(snapshot, config, data, scores)
    text = _card_text(snapshot, description, card, config.begun_from)
    graph = model or export_onnx(snapshot)
    return publish_graph(snapshot, graph, description, to, text, keep_weights)


def _card_text(
    snapshot: Snapshot, description: Description, card: ModelCard, begun_from: str | None = None
) -> Callable[[str, int], str]:
    guide = FAMILIES[snapshot.architecture.family].guide
    latents = [draw_latents(seed, 0, 1, snapshot.architecture.latent_dim)[0] for seed in SEEDS]
    classes = snapshot.architecture.num_classes
    labels = np.arange(len(SEEDS)) % classes if classes else None
    samples = snapshot.generate(np.concatenate(latents), labels)
    return partial(
        model_card,
        description=description,
        card=card,
        begun_from=begun_from,
        guide=guide,
        examples=snapshot.architecture.medium.examples(samples),
    )


def publish_graph(
    snapshot: Snapshot,
    model: bytes,
    description: Description,
    to: Path,
    card: Callable[[str, int], str],
    keep_weights: bool = True,
) -> Path:
    """As `publish`, of a graph and its description; `card` makes the text of the model card."""
    check_parity(snapshot, model)
    sheets = partial(_sheets, snapshot, description.directions)
    golden = make_golden(snapshot)
    weights = snapshot.path if keep_weights else None
    contents = BundleContents(model, description, golden, weights, card, sheets)
    return publish_contents(contents, to)


def _sheets(snapshot: Snapshot, directions: tuple[Direction, ...]) -> dict[str, np.ndarray]:
    sheets = {"samples.png": sample_grid(snapshot)}
    if directions:
        sheets["directions.png"] = direction_strips(snapshot, directions)
    return sheets


def make_golden(snapshot: Snapshot) -> Golden:
    """The samples that PyTorch makes of the golden inputs."""
    architecture = snapshot.architecture
    inputs = golden_inputs(architecture.latent_dim, architecture.num_classes)
    samples = snapshot.generate(inputs["latents"], inputs.get("labels"))
    return Golden((Case(inputs, samples, architecture.medium.meaning),))


def _describe(
    snapshot: Snapshot, config: TrainConfig, data: dict, scores: dict[str, Score]
) -> Description:
    architecture = snapshot.architecture
    return Description(
        task="generate",
        opset=OPSET,
        labels=tuple(data["classes"]),
        **architecture.medium.tensors(architecture.latent_dim, architecture.num_classes),
        truncation="scale",
        golden_tolerance=OUTPUTS[architecture.medium.meaning].tolerance,
        training=training_of(config, data, snapshot.nimg),
        scores=scores,
        directions=find_directions(snapshot.generator.latent_weight()),
        pictures=None,
    )


def republish(
    bundle: Path,
    to: Path,
    card: ModelCard | None = None,
    half: bool = False,
    keep_weights: bool = True,
) -> Path:
    """Export, check and publish the weights of a bundle as the next version of the folder `to`.

    Labels, training and scores are the bundle's; so is the model card, but for its title, unless
    `card` says what to write anew. half: as of `open_snapshot`. keep_weights: as of `publish`.
    Answers and raises as `publish`, and BundleError for a bundle that does not verify, DataError
    for one without weights.
    """
    manifest = load_bundle(bundle).manifest
    with open_snapshot(bundle / WEIGHTS, half) as snapshot:
        return _republish(snapshot, bundle, manifest, to, card, keep_weights)


def _republish(
    snapshot: Snapshot,
    bundle: Path,
    manifest: Manifest,
    to: Path,
    card: ModelCard | None,
    keep_weights: bool,
) -> Path:
    news = {
        "opset": OPSET,
        "golden_tolerance": OUTPUTS[manifest.made].tolerance,
        "directions": find_directions(snapshot.generator.latent_weight()),
    }
    description = manifest.description.model_copy(update=news)
    if card is None and CARD in manifest.files:
        text: Callable[[str, int], str] = partial(
            card_under, read_file(bundle, manifest, CARD).decode(), manifest
        )
    else:
        text = _card_text(snapshot, description, card or ModelCard())
    return publish_graph(snapshot, export_onnx(snapshot), description, to, text, keep_weights)
