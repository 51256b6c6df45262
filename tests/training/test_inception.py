from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mirage.training.errors import DataError
from mirage.training.inception import ScriptFeatures

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
def test_images_of_every_kind_become_features(
    tmp_path: Path, network: nn.Module, channels: int
) -> None:
    images = np.full((70, 4, 5, channels), 100, np.uint8)
    features, judged = script(network, tmp_path / "network.pt")(images)
    assert features.dtype == np.float32
    assert judged is None
    np.testing.assert_array_equal(features, np.full((70, 3), 100, np.float32))


def test_networks_differ_by_their_hash(tmp_path: Path) -> None:
    first, second = script(Means(), tmp_path / "a.pt"), script(Choosy(), tmp_path / "b.pt")
    assert first.sha256 != second.sha256
    assert first.name == "the network in a.pt"


def test_a_file_that_is_no_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    with pytest.raises(DataError, match="no TorchScript can be read there"):
        ScriptFeatures(path)
    path.write_bytes(b"not a network")
    with pytest.raises(DataError, match="no TorchScript can be read there"):
        ScriptFeatures(path)
