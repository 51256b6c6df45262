import numpy as np
import pytest
import torch
from PIL import Image

from mirage.training.data.degradation import enlarge
from mirage.training.media.pixels import to_float
from mirage.training.networks.compact import Upscaler
from mirage.training.networks.families import FAMILIES, PictureArchitecture, read_architecture
from mirage.training.runs.checkpoint import ServedPictures
from tests.training.drawings import drawing


def architecture(**changes: object) -> PictureArchitecture:
    sizes = {"scale": 4, "width": 8, "blocks": 2, "discriminator_widths": [8], "channels": 3}
    return PictureArchitecture.model_validate({"family": "compact", **sizes, **changes})


def trained_like(**changes: object) -> Upscaler:
    """As if it had been trained: nothing in it is zero."""
    torch.manual_seed(3)
    network = Upscaler(architecture(**changes))
    torch.nn.init.normal_(network.tail.weight, std=0.02)
    return network.eval()


@torch.inference_mode()
def served(network: Upscaler, pictures: np.ndarray) -> np.ndarray:
    return ServedPictures(network)(torch.from_numpy(pictures.copy())).numpy()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(48, 48), (37, 61), (1, 1), (5, 3)])
def test_is_initialised_as_bicubic_interpolation(scale: int, shape: tuple[int, int]) -> None:
    low = 64 + drawing(1, 64)[: shape[0], : shape[1]] // 2  # Pillow clips between its two passes
    made = served(Upscaler(architecture(scale=scale)), low[None])[0]
    bicubic = enlarge(low, scale, Image.Resampling.BICUBIC)
    difference = np.abs(made.astype(int) - bicubic)
    inner = difference[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    assert inner.max(initial=0) <= 1
    assert difference.max() <= 8  # Pillow has no pixels beyond the border, and ours repeat the last


@pytest.mark.parametrize("tile", [5, 16, 24])
def test_tiles_with_a_halo_of_the_radius_equal_the_whole_picture(tile: int) -> None:
    network, picture = trained_like(), drawing(2, 64)
    whole, radius = served(network, picture[None])[0], network.radius
    for y in range(0, 64, tile):
        for x in range(0, 64, tile):
            top, left = max(0, y - radius), max(0, x - radius)
            around = picture[top : y + tile + radius, left : x + tile + radius]
            made = served(network, around[None])[0]
            inner = made[4 * (y - top) :, 4 * (x - left) :][: 4 * tile, : 4 * tile]
            assert np.array_equal(inner, whole[4 * y : 4 * (y + tile), 4 * x : 4 * (x + tile)])


def test_a_smaller_halo_than_the_radius_differs() -> None:
    network = trained_like()
    low = torch.zeros(1, 3, 41, 41, requires_grad=True)
    (slope,) = torch.autograd.grad(network(low)[0, :, 80:84, 80:84].sum(), low)
    seen = slope[0].abs().sum(0).nonzero()
    reach = (seen - 20).abs().max().item()
    assert reach == network.radius == 6


def test_pictures_in_a_batch_are_independent() -> None:
    network, low = trained_like(), to_float(np.stack([drawing(k) for k in range(3)]))
    with torch.no_grad():
        together, alone = network(low), torch.cat([network(each[None]) for each in low])
    # PyTorch rounds otherwise for another batch size
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_bfloat16_keeps_the_interpolation_in_float32() -> None:
    low = to_float(drawing(4)[None])
    network = Upscaler(architecture())
    with torch.autocast("cpu", torch.bfloat16):
        made = network(low)
    assert made.dtype == torch.float32
    assert torch.equal(made, network(low))


def test_an_architecture_round_trips_with_its_type() -> None:
    written = architecture(blocks=3)
    assert read_architecture(written.model_dump_json()) == written


def test_the_discriminator_has_a_logit_per_neighbourhood() -> None:
    network = FAMILIES["compact"].discriminator(architecture(discriminator_widths=[8, 8]))
    pictures = torch.rand(2, 3, 32, 48)
    logits = network(pictures, pictures)
    assert logits.shape == (2, 8, 12)
    changed = pictures.clone()
    changed[:, :, :4, :4] += 1
    moved = (network(changed, pictures) - logits).abs() > 0
    assert moved[:, 0, 0].all()
    assert not moved[:, -1, -1].any()
