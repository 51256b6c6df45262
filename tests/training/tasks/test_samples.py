import numpy as np
import pytest

from mirage.training.config import build_config
from mirage.training.data.dataset import Dataset
from mirage.training.tasks.samples import GRID, REAL, Samples


def test_the_grid_is_compared_with_real_images_of_its_own_classes() -> None:
    count = 3 * REAL
    labels = np.arange(count, dtype=np.int64) * 7 % count  # one image per class, in no order
    images = np.zeros((count, 8, 8, 1), np.uint8)
    for label in range(GRID):
        images[labels == label, label % 8, :, :] = 90 + label
    data = Dataset(images, labels, tuple(map(str, range(count))), "a" * 64)
    samples = Samples(build_config("mnist", {}), data)
    assert samples.labels is not None
    shown = images[np.argsort(labels)][samples.labels]
    assert samples.measure(shown) == pytest.approx({"entropy": 1})
