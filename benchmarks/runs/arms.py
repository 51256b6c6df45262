"""The arms of each experiment of `ablation.py`, as changes to a preset.

All schedules are scaled to the number of images of the arm, so that all arms end with the same
learning rate however fast they are.
"""

from dataclasses import dataclass, field
from typing import Any

BATCH = 32
WARM_START_KIMG = 8


@dataclass(frozen=True)
class Arm:
    """Changes to a preset. growth: share of the images seen when each stage is added."""

    preset: str
    settings: dict[str, Any] = field(default_factory=dict)
    growth: tuple[float, ...] = ()
    gains: tuple[float, ...] = (1.0,)
    """Values of `latent_gain` to score; training does not depend on it."""

    def changes(self, kimg: float) -> dict[str, Any]:
        """The settings of a run of `kimg` thousand images."""
        gamma = self.settings.get("gamma", GAMMA)
        scheduled = {
            "lr": {"start": 3e-4, "end": 3e-5, "from_kimg": kimg / 2, "to_kimg": kimg},
            "gamma": {**gamma, "to_kimg": kimg / 2} if isinstance(gamma, dict) else gamma,
            "ema_half_life_kimg": {"start": 0.5, "end": kimg / 25, "to_kimg": kimg / 2},
            "beta2": 0.99,
        }
        grown = [round(share * kimg, 3) for share in self.growth]
        return {**self.settings, **scheduled, "kimg": kimg, "grow_kimg": grown, "latent_gain": 1.0}


GAMMA = {"start": 1.0, "end": 0.1}
PRESENT = {
    # preset `auto` for a thousand transparent pictures of 32x32 pixels
    **{"widths": [96, 48, 24], "hidden": 256, "mapping": 2, "batch_size": BATCH},
    **{"augment": ["translate", "cutout", "colour"], "augment_target": 0.6},
    "augment_speed_kimg": 100,
    "gamma": {"start": 1.0, "end": 0.2},
}
PLANES = {
    # normalised mapping against wrong contrast; on-white planes and soft clamp for flat areas
    **PRESENT,
    **{"normalize": "rms", "transparency": "on-white", "clamp_slope": 0.02, "gamma": GAMMA},
    "augment": ["translate", "cutout-white"],
}
WARM = {"warm_start_kimg": WARM_START_KIMG}
DIRECT = {"family": "direct", "widths": [192, 128, 64, 32], "normalize": "none"}
PROJECTED = {"family": "projected", "loss": "hinge", "gamma": 0}
FEW = {
    **{"widths": [128, 96, 64, 32], "hidden": 128, "transparency": "straight", "gamma": GAMMA},
    "augment": ["translate", "zoom", "cutout"],
}
GROWTH = (0.35, 0.7)
GAINS = (1.0, 1.03, 1.06, 1.1)

ARMS: dict[str, dict[str, Arm]] = {
    "pictures": {
        "present": Arm("emoji", PRESENT),
        "present-rms": Arm("emoji", {**PRESENT, "normalize": "rms"}),
        "planes": Arm("emoji", PLANES),
        "background": Arm("emoji", {**PLANES, "background": "random"}),
        "warm": Arm("emoji", {**PLANES, **WARM}),
        "growing": Arm("emoji", PLANES, GROWTH),
        "direct": Arm("emoji", {**PLANES, **WARM, **DIRECT}),
        "projected": Arm("emoji", {**PLANES, **WARM, **DIRECT, **PROJECTED}),
        "together": Arm("emoji", {**PLANES, **WARM}, GROWTH),
    },
    "photographs": {
        "present": Arm("emoji", {**PRESENT, "augment": []}),
        "few": Arm("avatars", FEW),
    },
    "digits": {
        "none": Arm("mnist", {"gamma": {"start": 1.0, "end": 0.4}}, gains=GAINS),
        "rms": Arm("mnist", {"gamma": {"start": 1.0, "end": 0.4}, "normalize": "rms"}, gains=GAINS),
    },
    "triples": {
        "none": Arm("stacked-mnist-small", {"gamma": {"start": 1.0, "end": 0.2}}, gains=GAINS),
        "rms": Arm(
            "stacked-mnist-small",
            {"gamma": {"start": 1.0, "end": 0.2}, "normalize": "rms"},
            gains=GAINS,
        ),
    },
}
