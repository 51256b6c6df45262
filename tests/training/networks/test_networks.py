from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from mirage.training.config import build_config
from mirage.training.errors import UsageError
from mirage.training.media.images import Images
from mirage.training.networks import dcgan, residual, strided
from mirage.training.networks.base import Architecture, normalized
from mirage.training.networks.families import FAMILIES, read_architecture
from mirage.training.optim.losses import gradient_penalty
from tests.training.helpers.snapshots import SELF_CONTAINED


def architecture(family: str = "strided", **changes: Any) -> Architecture:
    sizes = {
        "latent_dim": 6,
        "widths": (16, 8),
        "hidden": 12,
        "height": 8,
        "width": 12,
        "channels": 3,
        "num_classes": 4,
    }
    return Architecture(family=family, **{**sizes, **changes})


@pytest.mark.parametrize("family", SELF_CONTAINED)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("num_classes", [0, 4])
@pytest.mark.parametrize("widths", [(8,), (16, 8), (16, 8, 4)])
def test_families_fit_any_shape(
    family: str, channels: int, num_classes: int, widths: tuple[int, ...]
) -> None:
    a = architecture(family, channels=channels, num_classes=num_classes, widths=widths)
    labels = torch.arange(5) % num_classes if num_classes else None
    images = FAMILIES[family].generator(a)(torch.randn(5, 6), labels)
    assert images.shape == (5, channels, 8, 12)
    assert FAMILIES[family].discriminator(a)(images, labels).shape == (5,)


@pytest.mark.parametrize("family", SELF_CONTAINED)
def test_both_networks_depend_on_the_class(family: str) -> None:
    torch.manual_seed(0)
    a = architecture(family)
    latents, images = torch.randn(2, 6), torch.rand(2, 3, 8, 12)
    zeros, ones = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64)
    generator, discriminator = FAMILIES[family].generator(a), FAMILIES[family].discriminator(a)
    generator.eval()
    discriminator.eval()
    assert not torch.equal(generator(latents, zeros), generator(latents, ones))
    assert not torch.equal(discriminator(images, zeros), discriminator(images, ones))


def test_strided_networks_process_samples_independently() -> None:
    torch.manual_seed(0)
    a = architecture(blocks=(1, 1))
    discriminator = FAMILIES["strided"].discriminator(a)
    images, labels = torch.rand(3, 3, 8, 12), torch.arange(3)
    alone = torch.cat([discriminator(images[i : i + 1], labels[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(discriminator(images, labels), alone)


def test_residual_blocks_are_initialised_as_the_identity() -> None:
    plain, deep = (
        FAMILIES["strided"].generator(architecture(blocks=blocks)) for blocks in ((0, 0), (2, 1))
    )
    deep.load_state_dict(plain.state_dict(), strict=False)
    latents, labels = torch.randn(2, 6), torch.tensor([0, 3])
    torch.testing.assert_close(deep(latents, labels), plain(latents, labels))


@pytest.mark.parametrize("family", SELF_CONTAINED)
def test_initial_activations_neither_vanish_nor_explode(family: str) -> None:
    torch.manual_seed(0)
    a = architecture(family, widths=(64, 32, 16), height=16, width=16, hidden=64, latent_dim=32)
    images = FAMILIES[family].generator(a)(torch.randn(64, 32), torch.arange(64) % 4)
    assert 0.01 < images.std().item() < 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"height": 10, "widths": (8, 8, 8)}, "images are 12x10; .* must be divisible by 4"),
        ({"blocks": (1, 1, 1)}, "blocks has 3 entries, widths 2"),
        ({"channels": 2}, "channels"),
        ({"skips": 2}, "skips is 2; allowed is at most 1"),
        ({"skips": 1, "family": "residual"}, "skips is 1; allowed is at most 0"),
        ({"palette": 4, "family": "residual"}, "palette is 4; it requires family strided"),
        ({"palette": 4, "skips": 1}, "palette is 4; it requires family strided without growing"),
        ({"family": "dcgan", "normalize": "rms"}, "normalize is rms; family dcgan allows none"),
    ],
)
def test_names_invalid_sizes(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        architecture(**changes)


@pytest.mark.parametrize("skips", [1, 2])
def test_stages_before_the_finest_can_have_images_of_their_own(skips: int) -> None:
    torch.manual_seed(0)
    a = architecture(widths=(16, 8, 4), skips=skips, num_classes=0)
    generator, discriminator = strided.Generator(a), strided.Discriminator(a)
    images = generator(torch.randn(3, 6))
    assert images.shape == (3, 3, 8, 12)
    discriminator(images).sum().backward()
    for layer in (*generator.small, generator.to_image):
        assert layer.weight.grad is not None


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_can_mix_the_colours_of_a_palette(channels: int) -> None:
    torch.manual_seed(0)
    generator = strided.Generator(architecture(palette=5, channels=channels))
    latents, labels = torch.randn(3, 6), torch.arange(3)
    colours: list[torch.Tensor] = []
    generator.colours.register_forward_hook(lambda _layer, _given, made: colours.append(made))
    images = generator(latents, labels)
    assert images.shape == (3, channels, 8, 12)
    palettes = colours[0].view(3, channels, 5)
    for bound, sign in ((palettes.amax(2), 1), (palettes.amin(2), -1)):
        assert (sign * (images - bound[..., None, None]) <= 1e-6).all()
    images.sum().backward()
    assert generator.to_image.weight.grad is not None


def test_areas_of_one_colour_are_exactly_flat() -> None:
    colours = torch.tensor([[0.25, -1.0, 0.5, 1.0]])  # two colours of two channels
    logits = torch.tensor([0.0, 1.0, 3.0, 50.0]).view(1, 1, 2, 2) * 10
    images = strided.mixed(torch.cat([logits, -logits], 1), colours)
    assert torch.equal(images[0, :, 1, 1], torch.tensor([0.25, 0.5]))
    assert torch.equal(images[0, :, 1, 0], images[0, :, 1, 1])
    torch.testing.assert_close(images[0, :, 0, 0], torch.tensor([-0.375, 0.75]))


def test_networks_before_growth_have_the_same_coarsest_stage() -> None:
    a = architecture(widths=(16, 8, 4), blocks=(1, 0, 1), skips=2, height=16, width=24)
    smaller = a.before_growth(2)
    assert (smaller.widths, smaller.blocks, smaller.skips) == ((16,), (1,), 0)
    assert (smaller.height, smaller.width) == a.base == smaller.base == (4, 6)


@pytest.mark.parametrize("family", SELF_CONTAINED)
def test_the_latent_gain_scales_only_latents(family: str) -> None:
    torch.manual_seed(0)
    plain = FAMILIES[family].generator(architecture(family)).eval()
    wide = FAMILIES[family].generator(architecture(family, latent_gain=1.5)).eval()
    wide.load_state_dict(plain.state_dict())
    latents, labels = torch.randn(3, 6), torch.arange(3)
    torch.testing.assert_close(wide(latents, labels), plain(1.5 * latents, labels))


@pytest.mark.parametrize("num_classes", [0, 4])
@pytest.mark.parametrize("family", sorted(set(SELF_CONTAINED) - {"dcgan"}))
def test_architectures_know_whether_a_gain_is_divided_out(family: str, num_classes: int) -> None:
    torch.manual_seed(0)
    a = architecture(family, normalize="rms", num_classes=num_classes)
    network = FAMILIES[family].generator(a).eval()
    for name, value in network.named_parameters():
        if name.endswith("bias"):  # some begin at 0, where all are proportional
            torch.nn.init.normal_(value)
    latents, labels = torch.randn(3, 6), torch.arange(3) if num_classes else None
    same = torch.allclose(network(2 * latents, labels), network(latents, labels), atol=1e-5)
    assert same == a.divides_gain_out


@pytest.mark.parametrize(
    ("changes", "num_classes"),
    [({"family": "direct"}, 4), ({"family": "projected"}, 4), ({"family": "residual"}, 0)],
)
def test_a_latent_gain_without_effect_is_refused(changes: dict[str, Any], num_classes: int) -> None:
    medium = Images(height=8, width=12, channels=3)
    changes = {"normalize": "rms", "widths": "16,8", "latent_gain": 1.06, **changes}
    with pytest.raises(UsageError, match=r"latent_gain is 1\.06, which normalize rms divides out"):
        Architecture.of(build_config("mnist", changes), medium, num_classes)
    for other in ({"latent_gain": 1}, {"normalize": "none"}):
        assert Architecture.of(build_config("mnist", changes | other), medium, num_classes)


@pytest.mark.parametrize("family", SELF_CONTAINED)
def test_features_can_be_scored_with_several_labels(family: str) -> None:
    torch.manual_seed(0)
    discriminator = FAMILIES[family].discriminator(architecture(family)).eval()
    images, labels = torch.rand(4, 3, 8, 12), torch.arange(4)
    features = discriminator.features(images)
    for given in (labels, labels.flip(0)):
        assert torch.equal(discriminator.logits(features, given), discriminator(images, given))


def test_normalized_samples_have_root_mean_square_one() -> None:
    x = torch.randn(4, 32) * torch.tensor([[0.01], [1.0], [30.0], [0.0]])
    squares = normalized(x, "rms").square().mean(1)
    torch.testing.assert_close(squares[:3], torch.ones(3), rtol=1e-3, atol=0)
    assert squares[3] == 0
    assert normalized(x, "none") is x
    assert normalized(x.bfloat16(), "rms").dtype is torch.float32


@pytest.mark.parametrize("family", ["strided", "residual"])
def test_contrast_of_normalized_networks_is_independent_of_latent_scale(
    family: str,
) -> None:
    latents = torch.randn(16, 6, generator=torch.Generator().manual_seed(1))

    def contrasts(normalize: str) -> list[float]:
        torch.manual_seed(0)
        a = architecture(family, num_classes=0, normalize=normalize)
        generator = FAMILIES[family].generator(a)
        return [generator(gain * latents).std().item() for gain in (0.5, 2.0)]

    small, large = contrasts("rms")
    assert large < 1.1 * small
    small, large = contrasts("none")
    assert large > 3 * small


def test_truncation_reduces_variety_of_normalized_networks_without_classes() -> None:
    torch.manual_seed(0)
    generator = FAMILIES["strided"].generator(architecture(num_classes=0, normalize="rms"))
    latents = torch.randn(64, 6)
    small, large = (generator(gain * latents).std(0).mean() for gain in (0.25, 1.0))
    assert small < 0.6 * large


def test_the_normalization_is_stored_only_if_set() -> None:
    plain, normal = architecture(), architecture(normalize="rms")
    assert "normalize" not in plain.model_dump_json()
    for a in (plain, normal):
        assert read_architecture(a.model_dump_json()) == a


def test_mapping_adds_layers_between_the_latents_and_the_coarsest_stage() -> None:
    def size(mapping: int) -> int:
        generator = FAMILIES["strided"].generator(architecture(mapping=mapping))
        return sum(p.numel() for p in generator.parameters())

    assert size(3) - size(1) == 2 * (12 * 12 + 12)


def test_a_grouped_block_is_initialised_as_the_identity_at_any_width() -> None:
    for width in (8, 20, 28, 96):
        x = torch.randn(2, width, 4, 4)
        assert torch.equal(residual.Block(width, depth=4)(x), x)


@pytest.mark.parametrize("family", ["strided", "residual"])
def test_penalties_reach_every_weight_of_the_discriminator(family: str) -> None:
    torch.manual_seed(0)
    network = FAMILIES[family].discriminator(architecture(family, blocks=(1, 1)))
    for parameter in network.parameters():  # away from the zeros that blocks begin with
        torch.nn.init.normal_(parameter, std=0.1)
    images = torch.rand(3, 3, 8, 12, requires_grad=True)
    gradient_penalty(images, network(images, torch.arange(3))).sum().backward()
    weights = {n: p for n, p in network.named_parameters() if not n.endswith("bias")}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights.values())


def test_dcgan_is_initialised_as_in_its_paper() -> None:
    classic = architecture("dcgan", latent_dim=100, widths=(64, 32, 16), height=28, width=28)
    for network in (dcgan.Generator(classic), dcgan.Discriminator(classic)):
        for module in network.modules():
            if isinstance(module, nn.Embedding):
                assert module.weight.abs().max() <= 0.05
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                assert 0.015 < module.weight.std() < 0.025
                assert module.bias is None or not module.bias.any()
