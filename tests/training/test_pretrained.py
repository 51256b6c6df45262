"""Bundles as PyTorch modules."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.bundle.errors import BundleError
from mirage.bundle.format.verify import load_bundle
from mirage.training.errors import DataError, UsageError
from mirage.training.pretrained import from_bundle
from tests.bundles import make_bundle, reseal

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("name", ["mnist/2", "icon-x4/1"])
def test_a_module_makes_the_golden_images(name: str) -> None:
    module = from_bundle(MODELS / name)
    assert not module.training
    for case in load_bundle(MODELS / name).golden.cases:
        inputs = [torch.from_numpy(array.copy()) for array in case.inputs.values()]
        with torch.inference_mode():
            images = module(*inputs)
        assert images.dtype == torch.uint8
        assert np.abs(images.numpy().astype(int) - case.output).max() <= 1


def test_gradients_flow_through_the_network_inside() -> None:
    latents = torch.zeros(2, 64, requires_grad=True)
    images = from_bundle(str(MODELS / "mnist" / "2")).generator(latents, torch.tensor([3, 4]))
    assert images.shape == (2, 1, 28, 28)
    images.sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum() > 0


def imported(root: Path) -> Path:
    """A bundle whose manifest says that it was imported."""
    path = make_bundle(root)
    training = load_bundle(path).manifest.training.model_dump()
    (path / "weights.safetensors").unlink()
    reseal(path, training=training | {"preset": "imported"})
    return path


def test_an_imported_bundle_has_nothing_to_train(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="toy@1, which was imported as a graph"):
        from_bundle(imported(tmp_path))


def test_a_bundle_without_weights_is_refused(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    (path / "weights.safetensors").unlink()
    reseal(path)
    with pytest.raises(DataError, match=r"toy@1, which has no weights.safetensors"):
        from_bundle(path)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        from_bundle(tmp_path / "absent")
