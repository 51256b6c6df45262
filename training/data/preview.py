"""What a person sees of a data set before anything is trained on it: a picture and a few lines."""

import numpy as np

from mirage.training.data.dataset import Dataset
from mirage.training.data.sources.image import Form
from mirage.training.data.sources.pixels import contact_sheet, to_float, to_grey_levels

MAX_PIXELS = 4 << 20
MAX_COLUMNS = 16
SHOWN_CLASSES = 12
CHECKER = 8, (102, 153)
"""Side of a square in pixels, and the two greys that show through transparent images."""


def sample_sheet(dataset: Dataset, count: int = 64) -> np.ndarray:
    """Samples spread over the data, through the networks' number range: uint8 [H, W, 1 or 3].

    One class per column where there are at most 16, else a square; fewer images when they are
    large. Transparency shows a chequerboard.
    """
    height, width = dataset.images.shape[1:3]
    count = max(1, min(count, len(dataset), MAX_PIXELS // (height * width)))
    classes = len(dataset.classes)
    columns = classes if 2 <= classes <= min(MAX_COLUMNS, count) else int(np.ceil(count**0.5))
    chosen = _chosen(dataset, count // columns * columns)
    images = to_grey_levels(to_float(dataset.images[chosen])).contiguous().numpy()
    return contact_sheet(_over_checker(images) if images.shape[3] == 4 else images, columns)


def _chosen(dataset: Dataset, count: int) -> np.ndarray:
    """Numbers int64 [count]: the classes in turn, each from all over the data."""
    order = np.random.Generator(np.random.Philox(0)).permutation(len(dataset))
    if dataset.labels is None:
        return order[:count]
    labels = dataset.labels[order]
    turn = np.empty(len(order), np.int64)  # how many of its class come before it
    for label in range(len(dataset.classes)):
        turn[labels == label] = np.arange((labels == label).sum())
    return order[np.lexsort((labels, turn))[:count]]


def _over_checker(images: np.ndarray) -> np.ndarray:
    side, greys = CHECKER
    rows, columns = np.indices(images.shape[1:3]) // side
    below = np.array(greys)[(rows + columns) % 2][..., None]
    alpha = images[..., 3:] / 255
    return (images[..., :3] * alpha + below * (1 - alpha)).round().astype(np.uint8)


def describe(dataset: Dataset) -> list[str]:
    """Count, form, classes, what was left out, size and fingerprint, one line each."""
    original = dataset.original
    height, width, channels = original.images.shape[1:]
    lines = [f"images         {len(original):,} of {Form(width, height, channels)}"]
    if dataset is not original:
        lines.append(f"mirrored       each also mirrored: {len(dataset):,} to choose from")
    if original.broken:
        lines.append(f"left out     {original.broken:,} that cannot be used")
    if share := original.options.held_out:
        kin = original.options.groups
        lines.append(f"held out       {share:g} % of all, groups: {kin}; not among these")
    lines.append(f"classes        {_classes(original)}")
    lines.append(f"decoded        {original.images.nbytes / 1e6:,.1f} MB")
    return [*lines, f"fingerprint    {dataset.fingerprint}"]


def _classes(dataset: Dataset) -> str:
    if dataset.labels is None:
        return "none"
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes)).tolist()
    named = [f"{name} {n:,}" for name, n in zip(dataset.classes, counts, strict=True)]
    more = f", … of {min(counts):,} to {max(counts):,} images" if len(named) > SHOWN_CLASSES else ""
    return f"{len(named)}: {', '.join(named[:SHOWN_CLASSES])}{more}"
