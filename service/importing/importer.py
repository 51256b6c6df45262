"""Imports a generator: from an ONNX file to a published bundle that makes the file's images."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from mirage.bundle.errors import BundleError
from mirage.bundle.format.golden import Case, Golden, golden_inputs, write_golden
from mirage.bundle.format.interface import Image as ImageShape
from mirage.bundle.format.interface import generator_tensors
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import IMPORTED, Description, Training
from mirage.bundle.format.strict_json import describe_faults
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.publish import Draft, new_version
from mirage.service.engines.engine import Engine, optimized
from mirage.service.engines.providers import ProviderConfig
from mirage.service.host import available_cpus
from mirage.service.importing.card import Origin, imported_card
from mirage.service.importing.errors import ReplayError
from mirage.service.importing.operators import (
    OPSET,
    check_operators,
    convert,
    keep_needed,
    opset_of,
)
from mirage.service.importing.ports import (
    Choices,
    ImagesPort,
    Inputs,
    check_sizes,
    find_images,
    find_inputs,
    name_output,
)
from mirage.service.importing.reference import ReferenceImages, run_source, to_images
from mirage.service.importing.source import Source, read_source
from mirage.service.importing.wrapping import wrap
from mirage.service.media.encoding import contact_sheet
from mirage.service.versions.loading import golden_check

SAMPLES = 64
CELL = 128  # pixels of the longer side of a sample; larger ones are reduced


@dataclass(frozen=True)
class Imported:
    """A published bundle, and what a person should know of its images."""

    path: Path
    notes: tuple[str, ...]


def import_generator(path: Path, to: Path, choices: Choices, origin: Origin) -> Imported:
    """Publish the generator in an ONNX file as the next version of the model folder `to`.

    Raises ChoiceError if an option does not fit, ReplayError if the service's engine makes other
    images than the file, and BundleError if the file or the store is refused.
    """
    source = read_source(path)
    opset_of(source.model)
    keep_needed(source.model, name_output(source.model, choices))
    check_operators(source.model.graph)
    ports = find_inputs(source.model, choices)
    check_sizes(source.model)
    inputs = golden_inputs(ports.latent_dim, len(ports.class_names))
    values = run_source(source.model, ports, inputs, available_cpus())
    images = find_images(values, source.model, choices)
    reference = to_images(values, images)
    wrapped = wrap(convert(source.model), ports, images)
    contents = _Contents(
        source,
        wrapped.SerializeToString(deterministic=True),
        _describe(source, ports, images.image),
        Golden((Case(inputs, reference.images),)),
        origin,
    )
    try:
        samples = _checked_samples(contents, to.name)
    except ReplayError as error:
        raise _explained(error, ports.batch) from None
    with new_version(to.parent, to.name) as draft:
        Image.fromarray(samples).save(draft.path / "samples.png")
        published = contents.publish(draft)
    return Imported(published, tuple(_notes(reference, images)))


@dataclass(frozen=True)
class _Contents:
    """A version that is not on disk yet."""

    source: Source
    model: bytes
    description: Description
    golden: Golden
    origin: Origin

    def publish(self, draft: Draft) -> Path:
        """Write all files but the samples, and publish."""
        (draft.path / "model.onnx").write_bytes(self.model)
        write_golden(draft.path / "golden.npz", self.golden)
        text = imported_card(draft.name, draft.version, self.description, self.source, self.origin)
        (draft.path / "README.md").write_text(text, encoding="utf-8")
        return draft.publish(self.description)


def _describe(source: Source, ports: Inputs, image: ImageShape) -> Description:
    try:
        return Description(
            task="generate",
            opset=OPSET,
            labels=ports.class_names,
            **generator_tensors(ports.latent_dim, len(ports.class_names), image),
            truncation="scale",
            golden_tolerance=1.0,
            training=Training(
                preset=IMPORTED,
                data_fingerprint=source.sha256,
                kimg=0,
                seed=0,
                code_version=version("mirage-gan"),
                torch_version="unknown",
            ),
            scores={},
            directions=(),
            pictures=None,
            sound=None,
            sequence=None,
        )
    except ValidationError as error:
        raise BundleError("manifest_invalid", describe_faults(error)) from None


def _checked_samples(contents: _Contents, name: str) -> NDArray[np.uint8]:
    """Replay the golden images from a copy in a temporary store; return a sheet of samples.

    So nothing is published that the service would not serve. Raises ReplayError.
    """
    with TemporaryDirectory() as folder:
        with new_version(Path(folder), name) as draft:
            bundle = load_bundle(contents.publish(draft))
        config = ProviderConfig("cpu")
        try:
            engine = Engine(optimized(bundle, config), config, threads=available_cpus())
            deviation = golden_check(engine, bundle.golden)
        except Exception as error:  # running a graph may raise anything
            raise ReplayError(f"the engine cannot run batches of the graph: {error}") from None
        if not deviation.passes:
            raise ReplayError(f"the bundle's images differ from the source's: {deviation}")
        return _sheet(engine)


def _explained(error: ReplayError, batch: int | None) -> ReplayError:
    if batch is None:
        return error
    return ReplayError(
        f"{error}; the graph has the fixed batch size {batch}, which cannot be freed here: export"
        " it with a free first axis"
    )


def _sheet(engine: Engine) -> NDArray[np.uint8]:
    manifest = engine.manifest
    images = []
    for seed in range(SAMPLES):
        latents, _ = draw_latents(seed, 0, 1, manifest.latent_dim)
        inputs: list[NDArray[Any]] = [latents]
        if manifest.num_classes:
            inputs.append(np.array([seed % manifest.num_classes], np.int64))
        images.append(_small(engine.run(inputs)[0]))
    return contact_sheet(np.stack(images)).squeeze()


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce an image uint8 `[H, W, C]` by a whole factor, so that its sides fit into a cell."""
    factor = -(-max(image.shape[:2]) // CELL)
    shown = Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image)
    small = shown.reduce(factor)
    return np.asarray(small).reshape(small.height, small.width, image.shape[2])


def _notes(reference: ReferenceImages, port: ImagesPort) -> list[str]:
    notes = []
    if reference.outside > 0.05:
        notes.append(
            f"{reference.outside:.0%} of the values lie outside --range"
            f" {':'.join(f'{each:g}' for each in port.value_range or ())}; is it right?"
        )
    if (reference.images == reference.images[0]).all():
        notes.append("all golden images are equal; do they depend on --latents?")
    return notes
