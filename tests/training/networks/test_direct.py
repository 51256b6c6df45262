from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from mirage.training.networks.base import Architecture
from mirage.training.networks.direct import Generator
from mirage.training.publish.export import export_onnx
from tests.training.helpers.snapshots import make_snapshot


def trained(**changes: object) -> Generator:
    """With running averages that are not those of the start."""
    sizes = {"latent_dim": 6, "widths": (16, 12, 8), "height": 16, "width": 24, "channels": 4}
    a = Architecture.model_validate({"family": "direct", "num_classes": 3, **sizes, **changes})
    torch.manual_seed(0)
    network = Generator(a).train()
    for _ in range(20):
        network(3 * torch.randn(8, 6) + 1, torch.arange(8) % 3)
    return network


LATENTS, LABELS = torch.randn(8, 6, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 3


@torch.no_grad()
def test_an_image_does_not_depend_on_its_batch() -> None:
    network = trained().folded()
    whole = network(LATENTS, LABELS)
    alone = torch.cat([network(LATENTS[i : i + 1], LABELS[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(whole, alone)
    in_training = trained()
    assert not torch.allclose(
        in_training(LATENTS, LABELS)[:2], in_training(LATENTS[:2], LABELS[:2])
    )


@torch.no_grad()
@pytest.mark.parametrize("widths", [(16,), (16, 8), (16, 12, 8)])
def test_folding_keeps_the_images_and_leaves_no_norm(widths: tuple[int, ...]) -> None:
    network = trained(widths=widths)
    folded = network.folded()
    torch.testing.assert_close(folded(LATENTS, LABELS), network.eval()(LATENTS, LABELS))
    assert not [m for m in folded.modules() if "BatchNorm" in type(m).__name__]
    assert [m for m in network.modules() if "BatchNorm" in type(m).__name__]


def test_a_served_image_does_not_depend_on_its_batch(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path, "direct", widths=(16, 12, 8), height=16, width=24)
    session = onnxruntime.InferenceSession(
        export_onnx(snapshot), providers=["CPUExecutionProvider"]
    )
    latents, labels = LATENTS.numpy(), LABELS.numpy()

    def images(rows: slice) -> np.ndarray:
        (found,) = session.run(None, {"latents": latents[rows], "labels": labels[rows]})
        return found

    alone = np.concatenate([images(slice(i, i + 1)) for i in range(8)])
    assert np.abs(images(slice(None)).astype(int) - alone).max() <= 1
    assert np.abs(snapshot.generate(latents, labels).astype(int) - alone).max() <= 1


def test_latents_can_be_put_on_a_sphere() -> None:
    network = trained(normalize="rms").folded()
    torch.testing.assert_close(network(LATENTS, LABELS), network(5 * LATENTS, LABELS))
