"""The EMA generator of a snapshot -> ONNX, checked against PyTorch, published as a bundle.

A published bundle can be exported again, from its own weights: for what newer exports have.
"""

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from torch import Tensor, nn

from mirage.bundle.format.golden import Case, Golden, golden_inputs, write_golden
from mirage.bundle.format.interface import Image as ImageShape
from mirage.bundle.format.interface import generator_tensors
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Description, Manifest, Score, Training
from mirage.bundle.format.verify import load_bundle, read_file, read_manifest
from mirage.bundle.store.layout import list_versions, version_path
from mirage.bundle.store.publish import new_version
from mirage.training.config import TrainConfig
from mirage.training.errors import ExportError
from mirage.training.networks.base import Architecture
from mirage.training.publish.latent_directions import find_directions
from mirage.training.publish.model_card import ModelCard, direction_strips, model_card, sample_grid
from mirage.training.runs.checkpoint import (
    ServedGenerator,
    ServedUpscaler,
    Snapshot,
    UpscalerSnapshot,
    load_snapshot,
    load_weights,
    save_weights,
)

OPSET = 20
GOLDEN_TOLERANCE = 1.0
"""Grey levels by which another engine's float32 may differ: one, where rounding tips over."""
PARITY_BATCHES = (1, 3, 17)
MOST_IMAGES, MOST_SIDE = 65_536, 65_536


def export_onnx(snapshot: Snapshot) -> bytes:
    """The served graph as one ONNX file without external data, checked by `check_parity`."""
    inputs = _example_inputs(snapshot.architecture, 2)
    names = ["latents", "labels"][: len(inputs)]
    batch = torch.export.Dim("N", min=1, max=MOST_IMAGES)
    module = ServedGenerator(snapshot.generator).eval()
    return to_onnx(module, dict(zip(names, inputs, strict=True)), {0: batch})


def export_upscaler(snapshot: UpscalerSnapshot) -> bytes:
    """The served graph of pictures of any number and size, in one file without external data."""
    sizes = {0: ("N", MOST_IMAGES), 1: ("H", MOST_SIDE), 2: ("W", MOST_SIDE)}
    free = {axis: torch.export.Dim(name, min=1, max=most) for axis, (name, most) in sizes.items()}
    pictures = torch.zeros(2, 24, 32, snapshot.architecture.channels, dtype=torch.uint8)
    module = ServedUpscaler(snapshot.upscaler).eval()
    return to_onnx(module, {"pictures": pictures}, free)


def to_onnx(
    module: nn.Module, inputs: dict[str, Tensor], free: dict[int, torch.export.Dim]
) -> bytes:
    """A module whose one output is `images` as ONNX; `free` are the axes of any size."""
    # it would tell at length that torchvision, which nothing here needs, is not there
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            input_names=list(inputs),
            output_names=["images"],
            dynamic_shapes=dict.fromkeys(inputs, free),
        )
    if program is None:  # only the exporter without dynamo answers nothing
        raise ExportError("the exporter made no graph")
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _strip(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes of its own sources: stack traces and names of files."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
    del graph.value_info[:]


def _example_inputs(architecture: Architecture, count: int) -> tuple[Tensor, ...]:
    latents, _ = draw_latents(1, 0, count, architecture.latent_dim)
    if not architecture.num_classes:
        return (torch.from_numpy(latents),)
    return torch.from_numpy(latents), torch.arange(count) % architecture.num_classes


def check_parity(snapshot: Snapshot, model: bytes) -> int:
    """Compare onnxruntime with PyTorch at batch 1, 3 and 17; answers the largest difference seen.

    Raises ExportError when a pixel differs by more than one grey level.
    """
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    worst = 0
    for count in PARITY_BATCHES:
        inputs = _example_inputs(snapshot.architecture, count)
        with torch.inference_mode():
            expected = ServedGenerator(snapshot.generator)(*inputs).numpy()
        names = [item.name for item in session.get_inputs()]
        feed = dict(zip(names, (item.numpy() for item in inputs), strict=True))
        (images,) = session.run(["images"], feed)
        difference = int(np.abs(images.astype(int) - expected.astype(int)).max())
        if difference > GOLDEN_TOLERANCE:
            raise ExportError(
                f"onnxruntime differs from PyTorch by {difference} grey levels at batch {count}; "
                f"at most {GOLDEN_TOLERANCE:g} is allowed, so nothing was published"
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
) -> Path:
    """Export, check and publish a snapshot as the next version of the model folder `to`.

    data: the run's data sheet. model: the graph, if it was exported before. Answers the version's
    folder: that of the newest version with a graph of its own (no ensemble), and publishes
    nothing, when it holds the same graph and the same description already.
    Raises ExportError on a mismatch, and BundleError when the store refuses it.
    """
    model = model or export_onnx(snapshot)
    description = _describe(snapshot, config, data, scores)
    return publish_graph(snapshot, model, description, to, partial(model_card, card=card))


def publish_graph(
    snapshot: Snapshot,
    model: bytes,
    description: Description,
    to: Path,
    write_card: Callable[[str, int, Description], str],
) -> Path:
    """As `publish`, of a graph and its description; `write_card` makes the text of the card."""
    check_parity(snapshot, model)
    if same := _published_already(to, model, description):
        return same
    with new_version(to.parent, to.name) as draft:
        (draft.path / "model.onnx").write_bytes(model)
        write_golden(draft.path / "golden.npz", make_golden(snapshot))
        Image.fromarray(sample_grid(snapshot)).save(draft.path / "samples.png")
        if directions := description.directions:
            strips = direction_strips(snapshot, directions)
            Image.fromarray(strips).save(draft.path / "directions.png")
        _copy_weights(snapshot, draft.path / "weights.safetensors")
        text = write_card(draft.name, draft.version, description)
        (draft.path / "README.md").write_text(text, encoding="utf-8")
        return draft.publish(description)


def _published_already(to: Path, model: bytes, description: Description) -> Path | None:
    """The newest version with a graph of its own, if graph and description are these."""
    path, manifest = next(_versions_with_graphs(to), (None, None))
    if path is None or manifest is None or manifest.description != description:
        return None
    same_graph = manifest.files["model.onnx"].sha256 == hashlib.sha256(model).hexdigest()
    return path if same_graph else None


def find_published(to: Path, model_sha256: str) -> Path | None:
    """The newest version in the model folder `to` that holds this graph; raises BundleError."""
    for path, manifest in _versions_with_graphs(to):
        if manifest.files["model.onnx"].sha256 == model_sha256:
            return path
    return None


def _versions_with_graphs(to: Path) -> Iterator[tuple[Path, Manifest]]:
    """Newest first; ensembles have no graph of their own."""
    versions = list_versions(to.parent, to.name) if to.exists() else []
    for number in reversed(versions):
        path = version_path(to.parent, to.name, number)
        manifest = read_manifest(path)
        if not manifest.members:
            yield path, manifest


def make_golden(snapshot: Snapshot) -> Golden:
    """The images that PyTorch makes of the golden inputs."""
    architecture = snapshot.architecture
    inputs = golden_inputs(architecture.latent_dim, architecture.num_classes)
    images = snapshot.generate(inputs["latents"], inputs.get("labels"))
    return Golden((Case(inputs, images),))


def _copy_weights(snapshot: Snapshot, path: Path) -> None:
    _, generator, header = load_weights(snapshot.path, "generator")
    _, discriminator, _ = load_weights(snapshot.path, "discriminator")
    save_weights(
        path,
        snapshot.architecture,
        {"nimg": header["nimg"]},
        generator=generator,
        discriminator=discriminator,
    )


def _describe(
    snapshot: Snapshot, config: TrainConfig, data: dict, scores: dict[str, Score]
) -> Description:
    architecture = snapshot.architecture
    image = ImageShape(
        height=architecture.height, width=architecture.width, channels=architecture.channels
    )
    return Description(
        task="generate",
        opset=OPSET,
        labels=tuple(data["classes"]),
        **generator_tensors(architecture.latent_dim, architecture.num_classes, image),
        truncation="scale",
        golden_tolerance=GOLDEN_TOLERANCE,
        training=Training(
            preset=config.preset,
            data_fingerprint=data["fingerprint"],
            kimg=snapshot.nimg / 1000,
            seed=config.seed,
            code_version=version("mirage-gan"),
            torch_version=str(torch.__version__),
        ),
        scores=scores,
        directions=find_directions(snapshot.generator.latent_weight()),
        pictures=None,
    )


CARD = "README.md"


def republish(bundle: Path, to: Path, card: ModelCard | None = None) -> Path:
    """Export, check and publish the weights of a bundle as the next version of the folder `to`.

    Labels, training and scores are the bundle's; so is the model card, but for its title, unless
    `card` says what to write anew. Answers and raises as `export.publish`, and BundleError for a
    bundle that does not verify, DataError for one without weights.
    """
    manifest = load_bundle(bundle).manifest
    snapshot = load_snapshot(bundle / "weights.safetensors")
    news = {
        "opset": OPSET,
        "golden_tolerance": GOLDEN_TOLERANCE,
        "directions": find_directions(snapshot.generator.latent_weight()),
    }
    description = manifest.description.model_copy(update=news)
    if card is None and CARD in manifest.files:
        write_card = partial(_retitled, read_file(bundle, manifest, CARD).decode(), manifest)
    else:
        write_card = partial(model_card, card=card or ModelCard())
    return publish_graph(snapshot, export_onnx(snapshot), description, to, write_card)


def _retitled(text: str, old: Manifest, name: str, version: int, _: Description) -> str:
    """A model card under the name and version of another one."""
    return text.replace(f"# {old.name}@{old.version}\n", f"# {name}@{version}\n", 1)
