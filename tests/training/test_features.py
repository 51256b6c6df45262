from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.training.dataset import Dataset
from mirage.training.features import MNIST, features_for
from mirage.training.judge import FEATURES, SHA256
from mirage.training.sizes import Sizes
from tests.training.data import shapes_dataset

SIZES = Sizes(fit_images=96)
SHOWN = np.arange(80)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_mnist_is_scored_by_the_shipped_judge(tmp_path: Path) -> None:
    images = np.zeros((2, 28, 28, 1), np.uint8)
    network = features_for(Dataset(images, None, (), MNIST), SHOWN, SIZES, tmp_path)
    assert network.sha256 == SHA256
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labelled", [True, False])
def test_other_data_get_a_network_of_their_own_which_is_made_once(
    tmp_path: Path, labelled: bool
) -> None:
    data = shapes_dataset(channels=3)
    if not labelled:
        data = Dataset(data.images, None, (), "f" * 64)
    first = features_for(data, SHOWN, SIZES, tmp_path)
    features, judged = first(data.images)
    assert features.shape == (96, FEATURES)
    assert (judged is not None) == labelled
    (file,) = (tmp_path / "features").iterdir()
    made = file.stat().st_mtime_ns
    again = features_for(data, SHOWN, SIZES, tmp_path)
    assert again.sha256 == first.sha256
    assert file.stat().st_mtime_ns == made
    np.testing.assert_array_equal(again(data.images)[0], features)


def test_a_damaged_network_in_the_cache_is_made_anew(tmp_path: Path) -> None:
    data = shapes_dataset()
    first = features_for(data, SHOWN, SIZES, tmp_path)
    (file,) = (tmp_path / "features").iterdir()
    file.write_bytes(b"damaged")
    assert features_for(data, SHOWN, SIZES, tmp_path).sha256 == first.sha256
