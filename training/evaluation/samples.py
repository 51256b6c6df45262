"""Samples of an exported graph for scores: one per seed, truncation 1."""

import numpy as np
import onnxruntime
import torch

from mirage.bundle.format.latents import draw_latents
from mirage.training.errors import DataError
from mirage.training.evaluation.progress import progress_bar

BATCH = 100
SOUGHT = 1_000
"""Number of samples searched for those most similar to a training sample."""


def generate_images(
    model: bytes, count: int, labels: np.ndarray | None = None, first_seed: int = 0
) -> np.ndarray:
    """Generate samples of `count` seeds from `first_seed` on, index 0.

    Returns images uint8 [count, H, W, C], or what else the graph's output is. labels: int64
    [count], ignored by a model without classes. Raises DataError if the model needs labels and
    there are none.
    """
    session = _session(model)
    inputs = {item.name: item for item in session.get_inputs()}
    if "labels" in inputs and labels is None:
        raise DataError("the model has classes and the data have none; score it on labelled data")
    latent_dim = inputs["latents"].shape[1]
    images = []
    with progress_bar(count, "generating", "images") as bar:
        for start in range(0, count, BATCH):
            seeds = range(first_seed + start, first_seed + min(start + BATCH, count))
            latents = [draw_latents(seed, 0, 1, latent_dim)[0] for seed in seeds]
            feed = {"latents": np.concatenate(latents)}
            if "labels" in inputs and labels is not None:
                feed["labels"] = labels[start : start + BATCH]
            images.append(session.run(None, feed)[0])
            bar.update(len(seeds))
    return np.concatenate(images)


def takes_labels(model: bytes) -> bool:
    """Whether the graph has an input for labels."""
    return "labels" in {item.name for item in _session(model).get_inputs()}


def _session(model: bytes) -> onnxruntime.InferenceSession:
    """A session with as many threads as PyTorch, without spinning, which would double the cost."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def proportional_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """`count` labels int64 in the proportions of the data; deterministic."""
    return np.sort(labels)[np.arange(count) * len(labels) // count]
