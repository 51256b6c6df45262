"""How strongly images are augmented: by schedule, or as the discriminator overfits."""

from torch import Tensor

from mirage.training.schedule import Ramp

MOST = 0.8
"""Beyond it augmentation shows in what is generated (Karras et al. 2020, section 2.2)."""


class Strength:
    """The probability of each augmentation.

    schedule: the probability by images seen. target: None keeps to the schedule; else the
    probability begins at the schedule's start and rises while the discriminator is more certain
    than this, in -1 ... 1, and falls while it is less: by 1 within `speed_kimg` thousand images
    (Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020).
    """

    def __init__(self, schedule: Ramp, target: float | None, speed_kimg: float) -> None:
        self._schedule = schedule
        self._target = target
        self._speed_kimg = speed_kimg
        self._adapted = schedule.start

    @property
    def adapts(self) -> bool:
        return self._target is not None

    def at(self, nimg: int) -> float:
        """The probability after `nimg` images."""
        return self._adapted if self.adapts else self._schedule.at(nimg)

    def follow(self, certainty: float, images: int) -> None:
        """Move by what the discriminator showed on this many images."""
        if self._target is None:
            return
        step = images / (1000 * self._speed_kimg)
        moved = self._adapted + (step if certainty > self._target else -step)
        self._adapted = min(max(moved, 0.0), MOST)

    def state_dict(self) -> dict[str, float]:
        return {"adapted": self._adapted}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self._adapted = state["adapted"]


def certainty(real: Tensor, fake: Tensor, paired: bool) -> Tensor:
    """How surely the discriminator tells real images by heart: a mean sign, in -1 ... 1.

    Of logits [N]: of the real ones, or where only pairs mean something, of their margins.
    """
    return (real - fake if paired else real).sign().mean()
