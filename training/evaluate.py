"""How good a labelled model is: its exported graph judged beside real data."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from tqdm import tqdm

from bundle.latents import draw_latents
from bundle.manifest import Score
from training import scores
from training.dataset import Dataset
from training.errors import DataError
from training.judge import Classifier, fit, judge, load_judge

GENERATED = 10_000
REFERENCE = 50_000
COVERED = 5_000
BATCH = 100
CAS_IMAGES = 60_000
CAS_SEEDS = 3
CAS_EPOCHS = 10


def generate_images(model: bytes, labels: np.ndarray) -> np.ndarray:
    """Images of seeds 0 … N-1, index 0, truncation 1, with labels int64 [N]: uint8 [N, H, W, C]."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = {item.name: item for item in session.get_inputs()}
    if "labels" not in inputs:
        raise DataError("the model has no classes; these scores are for labelled models")
    latent_dim = inputs["latents"].shape[1]
    images = []
    for start in tqdm(
        range(0, len(labels), BATCH), desc="generating", unit_scale=BATCH, unit="img"
    ):
        chosen = labels[start : start + BATCH]
        latents = [draw_latents(start + i, 0, 1, latent_dim)[0] for i in range(len(chosen))]
        feed = {"latents": np.concatenate(latents), "labels": chosen}
        images.append(session.run(["images"], feed)[0])
    return np.concatenate(images)


def proportional_labels(labels: np.ndarray, count: int) -> np.ndarray:
    """`count` labels int64 in the proportions of the data's, the same every time."""
    return np.sort(labels)[np.arange(count) * len(labels) // count]


def evaluate(model: bytes, train: Dataset, test: Dataset) -> dict[str, Score]:
    """Agreement, Fréchet distance and coverage, each beside what real data reach.

    Fréchet: 10,000 generated against 50,000 training images in the judge's 128 features, its floor
    the other 10,000 training images. Coverage: k = 5, 5,000 against 5,000. Agreement's floor is the
    judge's accuracy on the real test images.
    """
    if len(train) < REFERENCE + GENERATED:
        raise DataError(f"{len(train)} images; these scores need {REFERENCE + GENERATED}")
    network = load_judge()
    requested = proportional_labels(_labels(train), GENERATED)
    generated, judged = judge(network, generate_images(model, requested))
    reference, held_out = _real_features(network, train)
    _, judged_test = judge(network, test.images)
    spread = np.random.Generator(np.random.Philox(0)).permutation(GENERATED)
    half, other = held_out[:COVERED], held_out[COVERED : 2 * COVERED]
    return {
        "agreement": Score(
            value=scores.agreement(judged, requested),
            floor=scores.agreement(judged_test, _labels(test)),
            n=GENERATED,
        ),
        "frechet": Score(
            value=scores.frechet_distance(generated, reference),
            floor=scores.frechet_distance(held_out, reference),
            n=GENERATED,
        ),
        "coverage": Score(
            value=scores.coverage(half, generated[spread[:COVERED]]),
            floor=scores.coverage(half, other),
            n=COVERED,
        ),
    }


def classification_accuracy(
    model: bytes, train: Dataset, test: Dataset, epochs: int = CAS_EPOCHS
) -> Score:
    """CAS: test accuracy of classifiers trained on 60,000 generated images, or on the real ones.

    The judge's own network and schedule, the mean of 3 seeds each (Ravuri & Vinyals 2019).
    """
    requested = proportional_labels(_labels(train), CAS_IMAGES)
    generated = generate_images(model, requested)
    return Score(
        value=_test_accuracy(generated, requested, test, epochs),
        floor=_test_accuracy(train.images, _labels(train), test, epochs),
        n=CAS_IMAGES,
    )


def _test_accuracy(images: np.ndarray, labels: np.ndarray, test: Dataset, epochs: int) -> float:
    accuracies = []
    for seed in range(1, CAS_SEEDS + 1):  # seed 0 made the judge
        _, judged = judge(fit(images, labels, epochs, seed), test.images)
        accuracies.append(scores.agreement(judged, _labels(test)))
    return float(np.mean(accuracies))


def _real_features(network: Classifier, train: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Features of 50,000 training images and of 10,000 others, the same ones every time."""
    order = np.random.Generator(np.random.Philox(0)).permutation(len(train))
    chosen = np.sort(order[:REFERENCE]), np.sort(order[REFERENCE : REFERENCE + GENERATED])
    reference, held_out = (judge(network, train.images[indices])[0] for indices in chosen)
    shuffle = np.random.Generator(np.random.Philox(1)).permutation(GENERATED)
    return reference, held_out[shuffle]


def _labels(dataset: Dataset) -> np.ndarray:
    if dataset.labels is None:
        raise DataError("the data have no classes; these scores are for labelled data")
    return dataset.labels


def write_scores(path: Path, scored: dict[str, Score]) -> None:
    content = {name: score.model_dump() for name, score in scored.items()}
    path.write_text(json.dumps(content, indent=2) + "\n")


def read_scores(path: Path) -> dict[str, Score]:
    """Scores by `write_scores`; none when the file is not there."""
    if not path.exists():
        return {}
    return {name: Score(**fields) for name, fields in json.loads(path.read_text()).items()}


def table(scored: dict[str, Score]) -> Iterator[str]:
    """One line per score, for people."""
    yield f"{'score':<12}{'model':>10}{'real':>10}{'images':>10}"
    for name, score in scored.items():
        floor = "-" if score.floor is None else f"{score.floor:.4f}"
        yield f"{name:<12}{score.value:>10.4f}{floor:>10}{score.n or '-':>10}"
