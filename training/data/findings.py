"""What makes a data set hard to learn from: too few images, or copies of one another."""

from collections import Counter
from collections.abc import Iterator

from mirage.training.data.dataset import Dataset
from mirage.training.data.groups import content_hash

LEAST_DATA = 96
"""Images below which the nearest neighbours that scores are made of mean nothing."""
MOST_HASHED = 100_000
"""Images that are searched for copies: about a second at 32x32 pixels."""


def findings(dataset: Dataset) -> Iterator[str]:
    """Warnings about a data set, as sentences for people."""
    images, noun = dataset.original.images, dataset.medium.noun
    if len(images) < LEAST_DATA:
        yield (
            f"only {len(images)} {noun}: a generator learns no variety from so few, and evaluate "
            f"needs at least {LEAST_DATA}; some hundred {noun} of one kind are a start"
        )
    searched = min(len(images), MOST_HASHED)
    counts = Counter(content_hash(images[index]) for index in range(searched))
    if copies := sum(count for count in counts.values() if count > 1):
        yield (
            f"{copies:,} of {searched:,} {noun} are copies of one another; remove all but one of "
            "each, because a generator makes most often what it is shown most often"
        )
