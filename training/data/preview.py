"""A preview of a data set before training: a contact sheet and a text summary."""

import numpy as np

from mirage.training.data.dataset import Dataset
from mirage.training.data.findings import findings
from mirage.training.media.pixels import contact_sheet

MAX_PIXELS = 4 << 20
"""Of the contact sheet: 2048x2048 still opens at once in a browser."""
MAX_COLUMNS = 16
MAX_WIDTH = 16_384
"""Of the contact sheet in pixels."""
EXAMPLES = 5
SHOWN_CLASSES = 12
CHECKER = 8, (102, 153)
"""Side of a square of the chequerboard in pixels, and its two grey levels."""


def sample_sheet(dataset: Dataset, count: int = 64) -> np.ndarray:
    """A contact sheet of at most `count` random images: uint8 [H, W, 1 or 3].

    The images are converted to network values and back, so the sheet shows what is trained on.
    With 2 to 16 classes each column shows one class; otherwise the sheet is square. Transparent
    images are drawn over a chequerboard.
    """
    medium = dataset.medium
    height, width = medium.picture_size
    count = max(1, min(count, len(dataset), MAX_PIXELS // (height * width)))
    classes = len(dataset.classes)
    columns = classes if 2 <= classes <= min(MAX_COLUMNS, count) else int(np.ceil(count**0.5))
    columns = max(1, min(columns, MAX_WIDTH // width))
    chosen = _chosen(dataset, count // columns * columns)
    values = medium.to_values(dataset.images[chosen])
    images = medium.pictures(medium.to_stored(values).contiguous().numpy())
    return contact_sheet(_over_checker(images) if images.shape[3] == 4 else images, columns)


def _chosen(dataset: Dataset, count: int) -> np.ndarray:
    """Indices int64 [count] of random images that cycle through the classes."""
    order = np.random.Generator(np.random.Philox(0)).permutation(len(dataset))
    if dataset.labels is None:
        return order[:count]
    labels = dataset.labels[order]
    turn = np.empty(len(order), np.int64)  # position of an image within its class
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
    """Number, shape, classes, findings, size and fingerprint of the images as lines of text."""
    original = dataset.original
    medium = dataset.medium
    lines = [f"{medium.noun:<15}{len(original):,} of {medium.form}"]
    lines += [f"example        {text}" for text in medium.examples(original.images[:EXAMPLES])]
    if dataset is not original:
        lines.append(f"mirrored       {len(dataset):,} with their mirror images")
    if original.broken:
        lines.append(f"left out       {original.broken:,} for the reasons below")
    if share := original.options.held_out:
        lines.append(
            f"held out       {share:g} % more {medium.noun}, groups: {original.options.groups}"
        )
    lines.append(f"classes        {_classes(original)}")
    lines += [f"note           {note}" for note in dataset.notes]
    lines += [f"warning        {finding}" for finding in findings(dataset)]
    lines.append(f"decoded        {original.images.nbytes / 1e6:,.1f} MB")
    return [*lines, f"fingerprint    {dataset.fingerprint}"]


def _classes(dataset: Dataset) -> str:
    if dataset.labels is None:
        return "none"
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes)).tolist()
    named = [f"{name} {n:,}" for name, n in zip(dataset.classes, counts, strict=True)]
    least, most, noun = min(counts), max(counts), dataset.medium.noun
    more = f", … of {least:,} to {most:,} {noun}" if len(named) > SHOWN_CLASSES else ""
    return f"{len(named)}: {', '.join(named[:SHOWN_CLASSES])}{more}"
