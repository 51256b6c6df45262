"""The family `resampled`: near the identity at first, with a receptive field of its radius."""

import torch

from mirage.training.networks.families import TranslatorArchitecture, read_architecture
from mirage.training.networks.patch import Discriminator
from mirage.training.networks.resampled import Translator


def architecture(**changes: object) -> TranslatorArchitecture:
    values = {
        "family": "resampled",
        "widths": (8, 12, 16),
        "blocks": 1,
        "discriminator_widths": (8, 8),
        "embedding": 8,
    }
    return TranslatorArchitecture.model_validate(values | changes)


def network(**changes: object) -> Translator:
    torch.manual_seed(0)
    return Translator(architecture(**changes))


def test_an_untrained_network_almost_returns_its_input() -> None:
    pictures = torch.rand(2, 3, 12, 20) * 2 - 1
    made = network()(pictures)
    assert made.shape == pictures.shape
    assert 0 < (made - pictures).abs().mean() < 0.5


def test_no_pixel_depends_on_others_beyond_the_radius() -> None:
    translator = network(blocks=2)
    radius, side = translator.radius, 128
    for phase in range(4):
        place = 64 + phase
        pictures = torch.rand(1, 3, side, side).requires_grad_()
        translator(pictures)[0, :, place, place].sum().backward()
        assert pictures.grad is not None
        seen = pictures.grad[0].abs().sum(0).nonzero() - place
        assert radius - 12 <= seen.abs().max() <= radius


def test_features_have_a_projection_each() -> None:
    translator = network(blocks=3)
    features = translator.features(torch.rand(1, 3, 16, 16))
    assert [tuple(layer.shape[1:]) for layer in features] == [
        (8, 16, 16),
        (12, 8, 8),
        *[(16, 4, 4)] * 3,
    ]
    assert len(translator.projections) == len(features)
    assert len(network(embedding=0).projections) == 0


def test_cyclic_networks_hold_the_opposite_direction() -> None:
    translator, judge = network(cyclic=True), Discriminator(architecture(cyclic=True))
    assert translator.back is not None
    assert translator.back.back is None
    assert judge.back is not None
    assert network().back is None


def test_the_discriminator_of_pairs_sees_the_source_too() -> None:
    pictures = torch.rand(2, 3, 16, 16)
    assert Discriminator(architecture())(pictures).shape == (2, 4, 4)
    assert Discriminator(architecture(paired=True))(pictures, pictures).shape == (2, 4, 4)


def test_an_architecture_survives_its_file() -> None:
    wanted = architecture(cyclic=True)
    assert read_architecture(wanted.model_dump_json()) == wanted
