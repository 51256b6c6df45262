"""Images from anywhere -> one decoded uint8 cache; knows files and pixels, nothing of networks."""

from mirage.training.dataset.cache import default_cache
from mirage.training.dataset.decoded import Dataset, fingerprint
from mirage.training.dataset.load import load_dataset, load_splits
from mirage.training.dataset.options import DataOptions

__all__ = [
    "DataOptions",
    "Dataset",
    "default_cache",
    "fingerprint",
    "load_dataset",
    "load_splits",
]
