import pytest
import torch
from torch import Tensor

from mirage.training.optim.augment import (
    AUGMENTATIONS,
    MOST,
    AdaptiveProbability,
    augment,
    certainty,
    columns,
)
from mirage.training.optim.schedule import CosineSchedule

ALL = tuple(AUGMENTATIONS)


def images(channels: int = 3, count: int = 4, height: int = 8, width: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, height, width, generator=generator) * 2 - 1


def random(names: tuple[str, ...], count: int = 4, seed: int = 1) -> Tensor:
    return torch.rand(count, columns(names), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", ALL)
def test_keeps_the_shape_and_changes_something(name: str, channels: int) -> None:
    before = images(channels, count=16)
    after = augment(before, (name,), 1.0, random((name,), 16))
    assert after.shape == before.shape
    assert not torch.equal(after, before)


def test_probability_zero_is_the_identity() -> None:
    assert torch.equal(augment(images(), ALL, 0.0, random(ALL)), images())


def test_no_names_mean_no_change() -> None:
    assert augment(before := images(), (), 1.0, random(())) is before


def test_equal_random_numbers_give_equal_augmentations() -> None:
    """Both members of a pair are shifted, mirrored and covered alike."""
    pair = torch.cat([images(), images()])
    after = augment(pair, ALL, 0.7, random(ALL).repeat(2, 1))
    assert torch.equal(after[:4], after[4:])


def test_an_image_does_not_depend_on_its_batch() -> None:
    drawn = random(ALL)
    alone = torch.cat([augment(images()[i : i + 1], ALL, 0.7, drawn[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(augment(images(), ALL, 0.7, drawn), alone)


def test_applies_with_the_given_probability() -> None:
    before = images(count=2000, height=4, width=4)
    after = augment(before, ("colour",), 0.3, random(("colour",), 2000))
    changed = (after != before).flatten(1).any(1).float().mean()
    assert abs(changed - 0.3) < 0.03


@pytest.mark.parametrize("name", ALL)
def test_is_twice_differentiable(name: str) -> None:
    def slope(x: Tensor) -> Tensor:
        shown = augment(x, (name,), 1.0, drawn)
        (gradient,) = torch.autograd.grad(shown.pow(3).sum(), x, create_graph=True)
        return gradient.square().sum()

    drawn = random((name,), 2).double()
    x = images(count=2, height=4, width=4).double().requires_grad_()
    assert torch.autograd.gradcheck(slope, x)


def test_flip_mirrors_or_leaves() -> None:
    drawn = torch.tensor([[0.0, 0.2], [0.0, 0.8]])
    before = images(count=2)
    after = augment(before, ("flip",), 1.0, drawn)
    assert torch.equal(after[0], before[0].flip(2))
    assert torch.equal(after[1], before[1])


@pytest.mark.parametrize(("drawn", "shift"), [(0.0, -1), (0.5, 0), (0.99, 1)])
def test_translate_shifts_and_repeats_the_border(drawn: float, shift: int) -> None:
    row = torch.arange(8.0).view(1, 1, 1, 8).repeat(1, 1, 4, 1)
    after = augment(row, ("translate",), 1.0, torch.tensor([[0.0, 0.5, drawn]]))
    expected = (torch.arange(8) + shift).clamp(0, 7).float()
    assert torch.equal(after[0, 0, 0], expected)


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.25)])
def test_zoom_scales_about_the_centre_and_repeats_the_border(drawn: float, factor: float) -> None:
    row = torch.arange(8.0).view(1, 1, 1, 8).repeat(1, 1, 4, 1)
    after = augment(row, ("zoom",), 1.0, torch.tensor([[0.0, drawn]]))
    expected = ((torch.arange(8) - 3.5) / factor + 3.5).clamp(0, 7)
    torch.testing.assert_close(after[0, 0], expected.repeat(4, 1))


def test_cutout_covers_a_quarter_inside_of_the_image() -> None:
    after = augment(torch.ones(1, 3, 8, 12), ("cutout",), 1.0, torch.tensor([[0.0, 0.5, 0.5]]))
    assert (after == 0).sum() == 3 * 4 * 6
    assert (after[0, 0, 2:6, 3:9] == 0).all()


def test_cutout_white_fills_with_transparent_white() -> None:
    drawn = torch.tensor([[0.0, 0.5, 0.5]])
    after = augment(torch.zeros(1, 4, 8, 12), ("cutout-white",), 1.0, drawn)
    hole = after[0, :, 2:6, 3:9]
    assert (hole[:3] == 1).all()
    assert (hole[3] == -1).all()
    assert (after == 0).sum() == 4 * (8 * 12 - 4 * 6)
    after = augment(torch.zeros(1, 3, 8, 12), ("cutout-white",), 1.0, drawn)
    assert (after == 1).sum() == 3 * 4 * 6


@pytest.mark.parametrize("channels", [3, 4])
def test_a_white_border_stays_white_under_translation_and_white_cutout(channels: int) -> None:
    """So a generator that matches augmented images has the border of real ones."""
    names = ("translate", "cutout-white")
    paper = torch.ones(64, channels, 16, 16)
    paper[:, 3:] = -1
    pictures = paper.clone()
    pictures[:, :, 4:12, 4:12] = images(channels, 64, 8, 8)  # two pixels: the largest shift
    border = torch.ones(16, 16, dtype=torch.bool)
    border[2:14, 2:14] = False
    after = augment(pictures, names, MOST, random(names, 64))
    assert not torch.equal(after, pictures)
    assert torch.equal(after[..., border], paper[..., border])


def test_colour_keeps_alpha_and_is_the_identity_at_mid_range() -> None:
    before = images(channels=4)
    after = augment(before, ("colour",), 1.0, random(("colour",)))
    assert torch.equal(after[:, 3], before[:, 3])
    middle = torch.full((4, 4), 0.5)
    torch.testing.assert_close(augment(before, ("colour",), 1.0, middle), before)


def test_brightness_is_added_to_every_channel() -> None:
    drawn = torch.tensor([[0.0, 0.75, 0.5, 0.5]])
    before = images(count=1)
    torch.testing.assert_close(augment(before, ("colour",), 1.0, drawn), before + 0.25)


def test_bfloat16_stays_bfloat16() -> None:
    assert augment(images().bfloat16(), ALL, 0.7, random(ALL)).dtype == torch.bfloat16


def test_without_a_target_follows_the_schedule() -> None:
    probability = AdaptiveProbability(
        CosineSchedule(start=0, end=0.4, to_kimg=10), None, speed_kimg=500
    )
    probability.follow(1.0, 1_000_000)
    assert probability.at(0) == 0
    assert probability.at(5_000) == pytest.approx(0.2)
    assert probability.at(10_000) == 0.4


def test_adapts_to_the_certainty_of_the_discriminator() -> None:
    probability = AdaptiveProbability(CosineSchedule(start=0.1, end=0.1), 0.6, speed_kimg=100)
    probability.follow(0.7, 10_000)
    assert probability.at(0) == pytest.approx(0.2)
    probability.follow(0.5, 5_000)
    assert probability.at(0) == pytest.approx(0.15)


@pytest.mark.parametrize(("seen", "end"), [(1.0, MOST), (-1.0, 0.0)])
def test_stays_within_its_bounds(seen: float, end: float) -> None:
    probability = AdaptiveProbability(CosineSchedule(start=0.4, end=0.4), 0.6, speed_kimg=1)
    for _ in range(5):
        probability.follow(seen, 1_000)
    assert probability.at(0) == end


def test_state_survives_loading() -> None:
    schedule = CosineSchedule(start=0.1, end=0.1)
    probability, other = (AdaptiveProbability(schedule, 0.6, speed_kimg=100) for _ in range(2))
    probability.follow(1.0, 10_000)
    other.load_state_dict(probability.state_dict())
    assert other.at(0) == probability.at(0)


def test_certainty_is_the_mean_sign_of_the_logits_or_of_the_margins() -> None:
    real, fake = torch.tensor([3.0, 1.0, -1.0, 2.0]), torch.tensor([4.0, 0.0, -2.0, 1.0])
    assert certainty(real, fake, paired=False).item() == 0.5
    assert certainty(real, fake, paired=True).item() == 0.5
    assert certainty(real, real - 1, paired=True).item() == 1.0
