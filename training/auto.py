"""The preset `auto`: chooses a recipe from the data and the device."""

from dataclasses import dataclass
from typing import Any

from mirage.training.presets import AVATARS
from mirage.training.stretch import stretched

LEAST_BASE = 4
"""Minimum shorter side of the coarsest stage, in pixels."""
SMALL_DATA = 20_000
"""With fewer images the discriminator soon memorises them (Karras et al. 2020, figure 1)."""
PALETTE = 16
"""Colours per image. With them, more neighbourhoods of 948 avatars were flat: 0.190, not 0.170,
after 50 kimg, 0.212 instead of 0.199 after 450, where real ones have 0.227. Patches of 7x7 pixels
were closer to real ones after 100 to 300 kimg, other scores partly better and partly worse."""
BILATERAL = AVATARS["bilateral"]
"""Times that images with flat areas are smoothed, which would blur textures."""
FLAT_SHARE = 0.03
"""Pictures with more areas of one colour (`data/flatness`) get a palette. At 32x32, emoji have 0.04
to 0.05, flags 0.49, CIFAR-10 0.015, and photographs of textures 0.003."""
HIDDEN = 128
"""Values of the mapping's layers for few images. These networks are two thirds as wide as those of
`avatars` and take three quarters of the time; wider ones were only measured with avatars."""
WIDTHS = ((6, 128), (12, 96), (24, 64), (48, 32), (96, 24))
"""Channels of a stage whose shorter side has at most so many pixels; finer ones have 16."""
BLOCKS = range(7, 49)
"""Shorter sides of the stages with a residual block."""


@dataclass(frozen=True)
class Facts:
    """Properties of the data and the device.

    device: `cpu` or `cuda`. kimg: thousands of images to train for; None: chosen by the device.
    flat: share of the neighbourhoods of 3x3 pixels that have one colour (`data/flatness`).
    """

    images: int
    height: int
    width: int
    channels: int
    classes: int
    device: str
    kimg: float | None = None
    flat: float = 0.0

    @property
    def few(self) -> bool:
        """Whether the recipe of few images is chosen, the only one that depends on `flat`."""
        return self.device == "cpu" and self.images < SMALL_DATA


def choose(facts: Facts) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Choose a complete preset, with a reason for each choice.

    Few images on a CPU get the preset `avatars` with smaller networks, fitted to their size.
    Otherwise it interpolates between the other presets following R3GAN's table 9: gamma grows with
    the square of the resolution, and stages finer than 32 pixels halve their width.
    """
    if facts.few:
        return _few_images(facts)
    recipe: dict[str, Any] = {"latent_dim": 64, "loss": "relativistic", "beta1": 0.0}
    reasons: list[str] = []
    for decide in (_family, _widths, _length, _gamma, _batch, _augment):
        settings, reason = decide(facts)
        recipe |= settings
        reasons.append(reason)
    return recipe | {"precision": "auto"}, tuple(reasons)


def _few_images(facts: Facts) -> tuple[dict[str, Any], tuple[str, ...]]:
    stages = _halvings(facts)
    sides = [min(facts.height, facts.width) // 2**k for k in range(stages)][::-1]
    widths = [next((width for most, width in WIDTHS if side <= most), 16) for side in sides]
    blocks = [int(side in BLOCKS) for side in sides]
    settings = {"widths": widths, "blocks": blocks, "hidden": HIDDEN}
    reasons = [
        f"recipe of `avatars`: {facts.images} images, which the generator first learns to "
        "reconstruct",
        f"widths {', '.join(map(str, widths))}: {stages} stages from {_base(facts, stages)} to "
        f"{facts.width}x{facts.height}",
    ]
    for decide in (_flatness, _batch, _holes):
        chosen, reason = decide(facts)
        settings |= chosen
        reasons.append(reason)
    kimg = facts.kimg or AVATARS["kimg"]
    reasons.append(f"{kimg:g} kimg: {1000 * kimg / max(1, facts.images):.3g} times every image")
    return stretched(AVATARS | settings, kimg), tuple(reasons)


def _flatness(facts: Facts) -> tuple[dict[str, Any], str]:
    share = f"{facts.flat:.1%} of the neighbourhoods have one colour"
    if facts.flat > FLAT_SHARE:
        settings = {"palette": PALETTE, "bilateral": BILATERAL}
        return settings, f"palette of {PALETTE} colours per image, and a bilateral filter: {share}"
    return {"palette": 0, "bilateral": 0}, f"no palette and no filter: {share}"


def _holes(facts: Facts) -> tuple[dict[str, Any], str]:
    """The augmentation: holes are white and transparent as the background of RGBA images."""
    names = ["translate", "zoom", "cutout-white" if facts.channels == 4 else "cutout"]
    why = f"{facts.images} images are few, so the discriminator would memorise them"
    return {"augment": names}, f"augmentation {', '.join(names)}: {why}"


def _family(facts: Facts) -> tuple[dict[str, Any], str]:
    if facts.device == "cpu":
        why = "dense strided convolutions, because grouped ones are slow on a CPU"
        return {"family": "strided", "hidden": 256, "mapping": 2}, f"family strided: {why}"
    why = "grouped residual blocks, which need the fewest images and are fast on a GPU"
    return {"family": "residual"}, f"family residual: {why}"


def _stages(facts: Facts) -> int:
    """Stages of the networks."""
    stages = _halvings(facts)
    return stages if facts.device != "cpu" else min(stages, _most_on_cpu(facts))


def _halvings(facts: Facts) -> int:
    """How often both sides can be halved before the shorter one is below the minimum, plus 1."""
    height, width, stages = facts.height, facts.width, 1
    while height % 2 == width % 2 == 0 and min(height, width) // 2 >= LEAST_BASE:
        height, width, stages = height // 2, width // 2, stages + 1
    return stages


def _base(facts: Facts, stages: int) -> str:
    return f"{facts.width // 2 ** (stages - 1)}x{facts.height // 2 ** (stages - 1)}"


def _most_on_cpu(facts: Facts) -> int:
    """Stages down to about 8 pixels: coarser stages add weights but little quality."""
    stages = 1
    while min(facts.height, facts.width) // 2**stages >= 7:
        stages += 1
    return stages


def _widths(facts: Facts) -> tuple[dict[str, Any], str]:
    stages = _stages(facts)
    sides = [max(facts.height, facts.width) // 2**k for k in range(stages)][::-1]
    if facts.device == "cpu":
        widths = [max(24, 24 * 2**k) for k in range(stages)][::-1]
        widths = [min(width, 256) for width in widths]
    else:
        widths = [min(768, max(64, 768 * 32 // side)) for side in sides]
    listed = ", ".join(map(str, widths))
    why = f"{stages} stages from {_base(facts, stages)} to {facts.width}x{facts.height}"
    return {"widths": widths}, f"widths {listed}: {why}"


def _kimg(facts: Facts) -> float:
    return facts.kimg or (2_000 if facts.device == "cpu" else 25_000)


def _length(facts: Facts) -> tuple[dict[str, Any], str]:
    kimg = _kimg(facts)
    burn_in = kimg / 10
    lr = 3e-4 if facts.device == "cpu" else 2e-4
    settings = {
        "kimg": kimg,
        "lr": {"start": lr, "end": lr / 10, "from_kimg": kimg / 3, "to_kimg": kimg},
        "beta2": {"start": 0.9, "end": 0.99, "to_kimg": burn_in},
        "ema_half_life_kimg": {"start": 0.0, "end": kimg / 50, "to_kimg": burn_in},
    }
    epochs = 1000 * kimg / max(1, facts.images)
    why = f"each image is shown {epochs:.3g} times; the first tenth is burn-in"
    return settings, f"{kimg:g} kimg: {why}"


def _gamma(facts: Facts) -> tuple[dict[str, Any], str]:
    start = max(1.0, round(2 * facts.height * facts.width / 64**2, 2))
    gamma = {"start": start, "end": start / 5, "to_kimg": _kimg(facts) / 10}
    return {"gamma": gamma}, (
        f"gamma {start:g} to {start / 5:g}: the penalty grows with the number of pixels, "
        f"{facts.width}x{facts.height}"
    )


def _batch(facts: Facts) -> tuple[dict[str, Any], str]:
    wanted = 32 if facts.device == "cpu" else 256 if facts.height * facts.width <= 64**2 else 64
    size = max(2, min(wanted, facts.images // 4))
    if size < wanted:
        return {"batch_size": size}, f"batch size {size}: a quarter of the images"
    why = (
        "small batches need the fewest images, and large ones are no faster on a CPU"
        if facts.device == "cpu"
        else "as many as keep a GPU busy"
    )
    return {"batch_size": size}, f"batch size {size}: {why}"


def _augment(facts: Facts) -> tuple[dict[str, Any], str]:
    if facts.images >= SMALL_DATA:
        return {}, f"no augmentation: {facts.images} images are enough without"
    names = ["translate", "cutout"] + (["colour"] if facts.channels > 1 else [])
    settings = {
        "augment": names,
        "augment_target": 0.6,
        "augment_speed_kimg": min(200, _kimg(facts) / 10),
    }
    why = f"{facts.images} images are few; not flip, because a mirrored picture may be wrong"
    return settings, f"augmentation {', '.join(names)}, more if the discriminator overfits: {why}"
