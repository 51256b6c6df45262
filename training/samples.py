"""Images of an exported graph, as the scores see them: one per seed, truncation 1."""

import numpy as np
import onnxruntime
from tqdm import tqdm

from bundle.latents import draw_latents
from training.errors import DataError

BATCH = 100


def generate_images(
    model: bytes, count: int, labels: np.ndarray | None = None, first_seed: int = 0
) -> np.ndarray:
    """Images of seeds first_seed … first_seed + count - 1, index 0: uint8 [count, H, W, C].

    labels: int64 [count], which a model without classes ignores. Raises DataError when the model
    needs labels and there are none.
    """
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {item.name: item for item in session.get_inputs()}
    if "labels" in inputs and labels is None:
        raise DataError("the model has classes and the data have none; score it on labelled data")
    latent_dim = inputs["latents"].shape[1]
    images = []
    with tqdm(total=count, desc="generating", unit="img", leave=False) as bar:
        for start in range(0, count, BATCH):
            seeds = range(first_seed + start, first_seed + min(start + BATCH, count))
            latents = [draw_latents(seed, 0, 1, latent_dim)[0] for seed in seeds]
            feed = {"latents": np.concatenate(latents)}
            if "labels" in inputs and labels is not None:
                feed["labels"] = labels[start : start + BATCH]
            images.append(session.run(["images"], feed)[0])
            bar.update(len(seeds))
    return np.concatenate(images)


def takes_labels(model: bytes) -> bool:
    """Whether the graph is of a conditional model."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return "labels" in {item.name for item in session.get_inputs()}


def proportional_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """`count` labels int64 in the proportions of the data's, the same every time."""
    return np.sort(labels)[np.arange(count) * len(labels) // count]
