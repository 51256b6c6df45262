"""Which yardstick belongs to a medium: the one place that chooses it."""

from collections.abc import Callable
from typing import Any

from mirage.training.data.dataset import Dataset
from mirage.training.evaluation.media.pictures import PictureYardstick
from mirage.training.evaluation.media.sequences import SequenceYardstick
from mirage.training.evaluation.media.sounds import SoundYardstick
from mirage.training.evaluation.media.yardstick import Yardstick
from mirage.training.evaluation.reference import Split

_YARDSTICKS: dict[str, Callable[[Dataset, Split, Any], Yardstick]] = {
    "images": lambda train, split, _: PictureYardstick(train, split),
    "audio": SoundYardstick,
    "tokens": SequenceYardstick,
}


def yardstick_of(train: Dataset, split: Split) -> Yardstick:
    """The yardstick of a data set's medium."""
    return _YARDSTICKS[train.medium.meaning](train, split, train.medium)
