from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mirage.training.data.dataset import Dataset
from mirage.training.errors import DataError
from mirage.training.evaluation.classifier import FEATURES, SHA256
from mirage.training.evaluation.feature_networks import MNIST, ScriptFeatures, features_for
from mirage.training.evaluation.scorecard import Sizes
from tests.training.helpers.datasets import shapes_dataset

SIZES = Sizes(fit_images=96)
SHOWN = np.arange(80)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_mnist_is_scored_by_the_shipped_classifier(tmp_path: Path) -> None:
    images, labels = np.zeros((2, 28, 28, 1), np.uint8), np.array([0, 1])
    network = features_for(Dataset(images, labels, ("0", "1"), MNIST), SHOWN, SIZES, tmp_path)
    assert network.sha256 == SHA256
    assert list(tmp_path.iterdir()) == []


def test_mnist_without_its_labels_is_not_scored_by_a_classifier_of_digits(tmp_path: Path) -> None:
    data = shapes_dataset()
    unlabelled = Dataset(data.images, None, (), MNIST)
    network = features_for(unlabelled, SHOWN, SIZES, tmp_path)
    assert network.name == "a network trained to tell the data's orientations apart"
    assert network(data.images)[1] is None


@pytest.mark.parametrize("labelled", [True, False])
def test_other_data_have_their_own_cached_network(tmp_path: Path, labelled: bool) -> None:
    data = shapes_dataset(channels=3)
    if not labelled:
        data = Dataset(data.images, None, (), "f" * 64)
    first = features_for(data, SHOWN, SIZES, tmp_path)
    features, predicted = first(data.images)
    assert features.shape == (96, FEATURES)
    assert (predicted is not None) == labelled
    (file,) = (tmp_path / "features").iterdir()
    made = file.stat().st_mtime_ns
    again = features_for(data, SHOWN, SIZES, tmp_path)
    assert again.sha256 == first.sha256
    assert file.stat().st_mtime_ns == made
    np.testing.assert_array_equal(again(data.images)[0], features)


def test_retrains_a_damaged_network_in_the_cache(tmp_path: Path) -> None:
    data = shapes_dataset()
    first = features_for(data, SHOWN, SIZES, tmp_path)
    (file,) = (tmp_path / "features").iterdir()
    file.write_bytes(b"damaged")
    assert features_for(data, SHOWN, SIZES, tmp_path).sha256 == first.sha256


pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


class Means(nn.Module):
    """A stand-in for an Inception network: the mean of each channel."""

    def forward(self, images: Tensor) -> Tensor:
        return images.double().mean(dim=[2, 3])


class Choosy(nn.Module):
    """One that answers features only on request."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        means = images.float().mean(dim=[2, 3])
        if return_features:
            return means
        return means.argmax(1)


def script(network: nn.Module, path: Path) -> ScriptFeatures:
    torch.jit.script(network).save(str(path))
    return ScriptFeatures(path)


@pytest.mark.parametrize("network", [Means(), Choosy()])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_accepts_images_of_all_shapes(tmp_path: Path, network: nn.Module, channels: int) -> None:
    images = np.full((70, 4, 5, channels), 100, np.uint8)
    features, predicted = script(network, tmp_path / "network.pt")(images)
    assert features.dtype == np.float32
    assert predicted is None
    np.testing.assert_array_equal(features, np.full((70, 3), 100, np.float32))


def test_networks_differ_by_their_hash(tmp_path: Path) -> None:
    first, second = script(Means(), tmp_path / "a.pt"), script(Choosy(), tmp_path / "b.pt")
    assert first.sha256 != second.sha256
    assert first.name == "the network in a.pt"


def test_rejects_a_file_that_is_not_torchscript(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    with pytest.raises(DataError, match="no TorchScript can be read there"):
        ScriptFeatures(path)
    path.write_bytes(b"not a network")
    with pytest.raises(DataError, match="no TorchScript can be read there"):
        ScriptFeatures(path)
