"""Publishes a generator together with an encoder, as the next version of its model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from mirage.bundle.format.card import CARD
from mirage.bundle.format.interface import ENCODER
from mirage.bundle.format.verify import Bundle, load_bundle, read_file
from mirage.bundle.store.publish import new_version
from mirage.training.errors import DataError, ExportError
from mirage.training.inversion.encoder import Encoder
from mirage.training.publish.bundle_contents import card_under
from mirage.training.publish.onnx_graph import to_onnx
from mirage.training.runs.checkpoint import Snapshot, load_snapshot

WEIGHTS = "weights.safetensors"
MAX_PICTURES = 65_536  # of a batch
TOLERANCE = 1e-3  # by which onnxruntime's latents may differ from PyTorch's; 1 is their scale
AT_ONCE = 100  # pictures


@dataclass(frozen=True)
class EncoderScore:
    """The mean squared error in [-1, 1] of `n` pictures, with the encoder's latents alone.

    accuracy: the share of them whose class the encoder tells; None without classes. is_held_out:
    whether the encoder was not trained on them.
    """

    error: float
    accuracy: float | None
    n: int
    is_held_out: bool = True

    def __str__(self) -> str:
        known = "" if self.accuracy is None else f", class told in {self.accuracy:.2%}"
        kind = "test" if self.is_held_out else "training"
        return f"mean squared error {self.error:.4f} on {self.n} {kind} pictures{known}"


def snapshot_of(bundle: Path) -> Snapshot:
    """Load the generator of a bundle after verification; raises BundleError and DataError."""
    manifest = load_bundle(bundle).manifest
    if manifest.task != "generate":
        raise DataError(f"{bundle} is of task {manifest.task}; only generators have encoders")
    if WEIGHTS not in manifest.files:
        raise DataError(f"{bundle} has no {WEIGHTS}; name a version that has them")
    return load_snapshot(bundle / WEIGHTS)


@torch.inference_mode()
def score_encoder(
    encoder: Encoder, snapshot: Snapshot, images: np.ndarray, labels: np.ndarray | None
) -> EncoderScore:
    """Score an encoder on uint8 [N, H, W, C] and labels int64 [N] or None."""
    generator = snapshot.generator
    errors, right = [], 0
    for start in range(0, len(images), AT_ONCE):
        pictures = np.array(images[start : start + AT_ONCE])
        codes = encoder(torch.from_numpy(pictures))
        classes = None if labels is None else torch.from_numpy(labels[start : start + AT_ONCE])
        made = generator(codes[0], classes).clamp(-1, 1)
        planes = generator.medium.to_values(pictures)
        errors.append((made - planes).square().mean(dim=(1, 2, 3)))
        if classes is not None and len(codes) > 1:
            right += int((codes[1].argmax(dim=1) == classes).sum())
    accuracy = None if labels is None else right / len(images)
    return EncoderScore(float(torch.cat(errors).mean()), accuracy, len(images))


def encoder_to_onnx(encoder: Encoder) -> bytes:
    """The encoder as one ONNX file."""
    shape = (2, encoder.height, encoder.width, encoder.channels)
    batch = torch.export.Dim("N", min=1, max=MAX_PICTURES)
    outputs = ["latents"] if encoder.logits is None else ["latents", "logits"]
    pictures = {"pictures": torch.zeros(shape, dtype=torch.uint8)}
    return to_onnx(encoder.eval(), pictures, {0: batch}, outputs)


def publish_encoder(
    bundle: Path, encoder: Encoder, score: EncoderScore, to: Path, keep_weights: bool = True
) -> Path:
    """Publish a bundle with an encoder as the next version of the model folder `to`.

    All other files stay as they are, but for the card; keep_weights: also the weights. Returns the
    new folder. Raises ExportError if onnxruntime's latents differ from PyTorch's, and BundleError.
    """
    source, graph = load_bundle(bundle), encoder_to_onnx(encoder)
    _check_parity(encoder, graph, source.golden.cases[0].output)
    manifest = source.manifest
    left_out = {ENCODER, CARD} | (set() if keep_weights else {WEIGHTS})
    with new_version(to.parent, to.name) as draft:
        for name in manifest.files.keys() - left_out:
            (draft.path / name).write_bytes(read_file(bundle, manifest, name))
        (draft.path / ENCODER).write_bytes(graph)
        text = _card(source, draft.name, draft.version, score, keep_weights)
        (draft.path / CARD).write_text(text, encoding="utf-8")
        return draft.publish(manifest.description)


def _check_parity(encoder: Encoder, graph: bytes, pictures: np.ndarray) -> None:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"pictures": pictures})
    with torch.inference_mode():
        expected = encoder(torch.from_numpy(pictures.copy()))
    for values, right in zip(found, expected, strict=True):
        if (difference := float(np.abs(values - right.numpy()).max())) > TOLERANCE:
            raise ExportError(
                f"onnxruntime differs from PyTorch by {difference:.2g} in what the encoder "
                f"estimates; at most {TOLERANCE:g} is allowed, so nothing was published"
            )


def _card(source: Bundle, name: str, version: int, score: EncoderScore, keep_weights: bool) -> str:
    """The bundle's card under the new title, with what it has more and less."""
    manifest = source.manifest
    old = f"{manifest.name}@{manifest.version}"
    if CARD in manifest.files:
        text = card_under(read_file(source.path, manifest, CARD).decode(), manifest, name, version)
    else:
        text = f"# {name}@{version}\n"
    text = text.split("\n## Encoder\n")[0].rstrip()
    weights = "" if keep_weights else f" Its weights are those of {old}, which has them as a file."
    return (
        f"{text}\n\n## Encoder\n\n`{ENCODER}` estimates the latents of a picture, where "
        f"`POST /invert` begins: {score}. The generator is that of {old}.{weights}\n"
    )
