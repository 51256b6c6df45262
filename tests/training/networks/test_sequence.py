from typing import Any

import pytest
import torch
from pydantic import ValidationError

from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens
from mirage.training.networks.families import read_architecture
from mirage.training.networks.sequence import Discriminator, Generator, one_hot, shuffled
from mirage.training.optim.losses import gradient_penalty
from tests.training.helpers.sequences import SOUND, TOKENS, sequence_architecture

SHAPES: list[dict[str, Any]] = [
    {},
    {"num_classes": 0},
    {"strides": (3,)},
    {"strides": (3,), "span": 1},
    {"strides": (4,), "span": 6, "edge": 5},
    {"widths": (16, 8, 8), "strides": (2, 5), "blocks": (0, 1, 0)},
    {"strides": (1,), "span": 3},
    {"widths": (8,), "strides": (), "blocks": (1,)},
]


@pytest.mark.parametrize("medium", [SOUND, TOKENS], ids=["sound", "tokens"])
@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_networks_fit_any_length_and_strides(
    medium: Sound | Tokens, changes: dict[str, Any]
) -> None:
    a = sequence_architecture(medium, **changes)
    labels = torch.arange(5) % 3 if a.num_classes else None
    values = Generator(a)(torch.randn(5, 6), labels)
    assert values.shape == (5, medium.channels, medium.length)
    assert Discriminator(a)(values, labels).shape == (5,)


def test_both_networks_depend_on_the_class() -> None:
    torch.manual_seed(0)
    a = sequence_architecture(TOKENS)
    zeros, ones = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64)
    latents, generator, discriminator = torch.randn(2, 6), Generator(a), Discriminator(a)
    values = generator(latents, zeros)
    assert not torch.equal(values, generator(latents, ones))
    assert not torch.equal(discriminator(values, zeros), discriminator(values, ones))


def test_truncation_reduces_variety_of_normalized_networks_without_classes() -> None:
    torch.manual_seed(0)
    generator = Generator(sequence_architecture(SOUND, num_classes=0, normalize="rms"))
    latents = torch.randn(64, 6)
    small, large = (generator(gain * latents).std(0).mean() for gain in (0.25, 1.0))
    assert small < 0.6 * large


def test_the_gradient_penalty_can_be_differentiated_once_more() -> None:
    a = sequence_architecture(SOUND, num_classes=0, phase_shuffle=2)
    discriminator, values = Discriminator(a), torch.randn(3, 1, 50, requires_grad=True)
    gradient_penalty(values, discriminator(values)).mean().backward()
    assert discriminator.first.weight.grad is not None
    assert discriminator.first.weight.grad.any()


def test_straight_through_shows_one_hot_vectors_in_training_only() -> None:
    generator = Generator(sequence_architecture(TOKENS, num_classes=0, straight_through=True))
    latents = torch.randn(4, 6)
    trained = generator.train()(latents)
    served = generator.eval()(latents)
    assert set(trained.detach().round(decimals=5).unique().tolist()) == {0.0, 1.0}
    assert torch.equal(trained.argmax(1), served.argmax(1))
    assert served.max() < 1


def test_one_hot_vectors_have_the_gradient_of_the_probabilities() -> None:
    logits = torch.randn(2, 4, 3, requires_grad=True)
    weight = torch.randn(2, 4, 3)
    (through,) = torch.autograd.grad((one_hot(logits.softmax(1)) * weight).sum(), logits)
    (soft,) = torch.autograd.grad((logits.softmax(1) * weight).sum(), logits)
    torch.testing.assert_close(through, soft)


def test_phase_shuffle_shifts_each_sample_and_reflects_its_ends() -> None:
    x = torch.arange(6.0).expand(64, 2, 6)
    torch.manual_seed(0)
    found = {tuple(row.tolist()) for row in shuffled(x, 1)[:, 0]}
    assert found == {(1, 0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 4)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": (2, 2)}, "strides has 2 entries; widths need 1"),
        ({"strides": (17,)}, "allowed are 1 to 16"),
        ({"strides": (1,)}, r"strides is \[1\] and span 2; a stride of 1 needs an odd span"),
        ({"blocks": (1,)}, "blocks has 1 entries, widths 2"),
        ({"edge": 4}, "edge is 4; allowed are odd numbers"),
        ({"phase_shuffle": 4}, "the coarsest stage has 4 places"),
    ],
)
def test_rejects_sizes_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        sequence_architecture(TOKENS, **changes)


@pytest.mark.parametrize("medium", [SOUND, TOKENS], ids=["sound", "tokens"])
def test_an_architecture_is_stored_as_text(medium: Sound | Tokens) -> None:
    a = sequence_architecture(medium)
    assert read_architecture(a.model_dump_json()) == a
