import pytest
import torch

from mirage.training.schedule import Ramp
from mirage.training.strength import MOST, Strength, certainty


def test_without_a_target_the_schedule_decides() -> None:
    strength = Strength(Ramp(start=0, end=0.4, to_kimg=10), None, speed_kimg=500)
    strength.follow(1.0, 1_000_000)
    assert strength.at(0) == 0
    assert strength.at(5_000) == pytest.approx(0.2)
    assert strength.at(10_000) == 0.4


def test_rises_while_the_discriminator_is_too_certain_and_falls_else() -> None:
    strength = Strength(Ramp(start=0.1, end=0.1), 0.6, speed_kimg=100)
    strength.follow(0.7, 10_000)
    assert strength.at(0) == pytest.approx(0.2)
    strength.follow(0.5, 5_000)
    assert strength.at(0) == pytest.approx(0.15)


@pytest.mark.parametrize(("seen", "end"), [(1.0, MOST), (-1.0, 0.0)])
def test_stays_within_its_bounds(seen: float, end: float) -> None:
    strength = Strength(Ramp(start=0.4, end=0.4), 0.6, speed_kimg=1)
    for _ in range(5):
        strength.follow(seen, 1_000)
    assert strength.at(0) == end


def test_state_survives_loading() -> None:
    schedule = Ramp(start=0.1, end=0.1)
    strength, other = (Strength(schedule, 0.6, speed_kimg=100) for _ in range(2))
    strength.follow(1.0, 10_000)
    other.load_state_dict(strength.state_dict())
    assert other.at(0) == strength.at(0)


def test_certainty_is_the_mean_sign_of_the_logits_or_of_the_margins() -> None:
    real, fake = torch.tensor([3.0, 1.0, -1.0, 2.0]), torch.tensor([4.0, 0.0, -2.0, 1.0])
    assert certainty(real, fake, paired=False).item() == 0.5
    assert certainty(real, fake, paired=True).item() == 0.5
    assert certainty(real, real - 1, paired=True).item() == 1.0
