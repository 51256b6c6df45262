"""The frozen configuration of a run, which is written to its folder."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mirage.training.auto import Facts
from mirage.training.data.degradation import DEGRADATIONS
from mirage.training.errors import UsageError, explain
from mirage.training.lengths import MAX_KIMG, Kimg
from mirage.training.limits import Limits
from mirage.training.networks.families import FAMILIES, families_of
from mirage.training.optim.augment import AUGMENTATIONS
from mirage.training.optim.fidelity import CONTENT_LOSSES
from mirage.training.optim.losses import losses_of
from mirage.training.optim.optimizers import OPTIMIZERS
from mirage.training.optim.schedule import CosineSchedule, at_most
from mirage.training.recipe import recipe_of

NONE = CosineSchedule(start=0, end=0)
UNPAIRED = CONTRASTIVE, CYCLE = "contrastive", "cycle"
"""What keeps the content of a source without a twin."""
KEPT = (*UNPAIRED, *CONTENT_LOSSES)
Width = Annotated[int, Field(ge=1, le=8192)]
Blocks = Annotated[int, Field(ge=0, le=64)]
LearningRate = Annotated[CosineSchedule, at_most(1)]


class TrainConfig(BaseModel):
    """All settings of a run; `kimg` counts images in thousands."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: str
    begun_from: str | None = Field(None, description="name@version or run with the initial weights")
    seed: int = Field(0, ge=0, lt=2**63)
    kimg: Kimg = Field(description="length of training in thousands of images")
    schedule_kimg: Kimg | None = Field(None, description="none: schedules of the preset")

    task: Literal["generate", "upscale", "translate"] = "generate"
    family: str
    latent_dim: int = Field(64, ge=1, le=4096)
    widths: tuple[Width, ...] = Field(min_length=1, max_length=10)
    blocks: tuple[Blocks, ...] = Field((), max_length=10)
    strides: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        (), max_length=9, description="factors of length between stages, family sequence; none: 2"
    )
    span: int = Field(2, ge=1, le=16, description="kernels in strides, family sequence")
    edge: int = Field(3, ge=1, le=65, description="kernels at both ends, family sequence")
    phase_shuffle: int = Field(
        0, ge=0, le=64, description="largest random shift in the discriminator, family sequence"
    )
    straight_through: bool = Field(
        False, description="whether the discriminator sees one-hot symbols, family sequence"
    )
    pitches: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), max_length=2, description="lowest and highest in Hz, family harmonic"
    )
    hidden: int = Field(256, ge=1, le=8192)
    mapping: int = Field(1, ge=1, le=16)
    latent_gain: float = Field(
        1.0, gt=0, le=10, description="factor of the latents of the averaged generator"
    )
    normalize: Literal["none", "rms"] = Field(
        "none", description="rms: normalise mapped latents to a root mean square of 1 per sample"
    )

    palette: int = Field(
        0, ge=0, le=256, description="colours per image that pixels mix; 0: pixels of free colours"
    )
    bilateral: int = Field(
        0, ge=0, le=16, description="times that generated images are smoothed within their edges"
    )

    warm_start_kimg: float = Field(
        0,
        ge=0,
        le=MAX_KIMG,
        description="thousands of images to reconstruct before adversarial training",
    )
    warm_start_lr: float = Field(
        2e-3, gt=0, le=1, description="decays to a tenth during the warm start"
    )

    grow_kimg: tuple[Kimg, ...] = Field(
        (), description="when to add each finer stage; training starts at a smaller size"
    )

    scale: int = Field(4, ge=2, le=4, description="factor of enlargement")
    crop: int = Field(40, ge=8, le=1024, description="side of a low-resolution crop in pixels")
    degrade: tuple[str, ...] = Field((), description="degradations of the low resolution, in order")
    content: str = Field(
        "charbonnier",
        description="loss between a picture and its original; task translate: what keeps the "
        "content of a source, contrastive or cycle, and with paired the loss to its twin",
    )
    content_weight: float = Field(
        1, ge=0, le=1000, description="of the content loss beside the adversarial, task translate"
    )
    identity_weight: float = Field(
        1,
        ge=0,
        le=1000,
        description="of the content loss of targets, which should stay as they are",
    )
    paired: bool = Field(False, description="whether targets are the twins of sources, by name")
    embedding: int = Field(
        64, ge=8, le=1024, description="length of the vectors that the contrastive loss compares"
    )
    adversarial_ratio: CosineSchedule = Field(
        NONE, description="adversarial gradient at the output relative to the content gradient"
    )
    discriminator_widths: tuple[Width, ...] = Field((32, 64), min_length=1, max_length=4)

    transparency: Literal["straight", "on-white"] = Field(
        "straight", description="representation of RGBA: stored colours, or composited over white"
    )
    background: Literal["white", "random"] = Field(
        "white",
        description="background of RGBA images, on-white only, in the discriminator's input",
    )
    clamp_slope: float = Field(
        1.0, ge=0, le=1, description="slope of outputs outside of [-1, 1] in training; 1: no clamp"
    )
    loss: str
    gamma: CosineSchedule = Field(description="weight of R1 and of R2, applied as gamma / 2")
    mismatch: CosineSchedule = Field(
        NONE, description="weight of real images with wrong labels as fakes"
    )
    noise: CosineSchedule = Field(
        NONE, description="standard deviation of noise on the discriminator's input"
    )
    augment: tuple[str, ...] = ()
    augment_probability: Annotated[CosineSchedule, at_most(1)] = Field(
        NONE, description="of each augmentation, for each image"
    )
    augment_target: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="target certainty of the discriminator for adapting the probability",
    )
    augment_speed_kimg: Kimg = Field(500, description="time for the probability to change by 1")
    generator_optimizer: str = "adam"
    discriminator_optimizer: str = "adam"
    lr: LearningRate
    discriminator_lr: LearningRate | None = Field(None, description="none: the same as lr")
    beta1: float = Field(0.0, ge=0, lt=1)
    beta2: Annotated[CosineSchedule, at_most(1, excluded=True)]
    ema_half_life_kimg: CosineSchedule
    further_half_lives_kimg: tuple[Kimg, ...] = ()
    batch_size: int = Field(ge=2, le=65_536)
    micro_batch_size: int | None = Field(
        None, ge=1, description="images in memory at once; gradients are summed over the batch"
    )
    precision: Literal["auto", "float32", "bfloat16"] = "float32"

    watch: Limits = Limits()
    status_kimg: Kimg = 2
    snapshot_kimg: Kimg = Field(50, description="between sample grids and snapshots")
    checkpoint_kimg: Kimg = 20
    keep_checkpoints: int = Field(2, ge=1)

    @field_validator(
        *("family", "loss", "content", "generator_optimizer", "discriminator_optimizer")
    )
    @classmethod
    def _known(cls, value: str, info: Any) -> str:
        task = info.data.get("task", "")
        tables: dict[str, Iterable[str]] = {
            "family": families_of(task),
            "loss": losses_of(task),
            "content": CONTENT_LOSSES if task != "translate" else KEPT,
        }
        allowed = tables.get(info.field_name, OPTIMIZERS)
        if value not in allowed:
            raise ValueError(f"allowed are {', '.join(sorted(allowed))}")
        return value

    @field_validator("augment", "degrade")
    @classmethod
    def _all_known(cls, value: tuple[str, ...], info: Any) -> tuple[str, ...]:
        tables: dict[str, Mapping[str, object]] = {
            "augment": AUGMENTATIONS,
            "degrade": DEGRADATIONS,
        }
        allowed = tables[info.field_name]
        if unknown := [name for name in value if name not in allowed]:
            raise ValueError(f"{', '.join(unknown)} is unknown; allowed are {', '.join(allowed)}")
        return value

    @model_validator(mode="after")
    def _sizes_of_task(self) -> "TrainConfig":
        if self.task == "upscale" and (len(self.widths), len(self.blocks)) != (1, 1):
            raise ValueError("widths and blocks hold one number each for task upscale")
        if self.task == "translate" and (len(self.widths), len(self.blocks)) != (3, 1):
            raise ValueError("for task translate, widths holds three numbers and blocks one")
        for name in ("warm_start_kimg", "bilateral"):
            if self.task != "generate" and getattr(self, name):
                raise ValueError(f"{name} is of task generate; for {self.task} only 0 is allowed")
        return self

    @model_validator(mode="after")
    def _settings_of_family(self) -> "TrainConfig":
        for name, only in FAMILIES[self.family].fixed.items():
            if (value := getattr(self, name)) != only:
                raise ValueError(f"{name} is {value!r}; family {self.family} allows only {only!r}")
        return self

    @model_validator(mode="after")
    def _content_of_translation(self) -> "TrainConfig":
        if self.task != "translate":
            if self.paired:
                raise ValueError("paired is of task translate")
            return self
        if self.paired == (self.content in UNPAIRED):
            allowed = CONTENT_LOSSES if self.paired else UNPAIRED
            given = "paired" if self.paired else "unpaired"
            raise ValueError(
                f"content is {self.content}; for {given} data allowed are {', '.join(allowed)}"
            )
        if self.crop % 4:
            raise ValueError(f"crop is {self.crop}; task translate needs a multiple of 4")
        return self

    @model_validator(mode="after")
    def _background_of_planes(self) -> "TrainConfig":
        if self.background == "random" and self.transparency != "on-white":
            raise ValueError("background random requires transparency on-white")
        return self

    @model_validator(mode="after")
    def _growth_of_stages(self) -> "TrainConfig":
        if not self.grow_kimg:
            return self
        if self.family != "strided":
            raise ValueError(
                f"grow_kimg requires family strided; it must be empty for {self.family}"
            )
        images = [self._whole(kimg) for kimg in self.grow_kimg]
        if len(images) >= len(self.widths) or images != sorted(set(images)):
            raise ValueError(
                f"grow_kimg has at most {len(self.widths) - 1} entries, each at least one batch "
                "larger than the previous one"
            )
        return self

    @property
    def enlargement(self) -> int:
        """The sides of a result over those of its picture."""
        return self.scale if self.task == "upscale" else 1

    @property
    def warm_start_images(self) -> int:
        """Images of the warm start, rounded to whole batches."""
        return self._whole(self.warm_start_kimg)

    @property
    def growth_images(self) -> tuple[int, ...]:
        """Images seen when each stage is added, in whole batches; empty with `begun_from`."""
        return () if self.begun_from else tuple(map(self._whole, self.grow_kimg))

    def stages_left(self, nimg: int) -> int:
        """Number of stages still to be added after `nimg` images."""
        return sum(nimg < images for images in self.growth_images)

    def _whole(self, kimg: float) -> int:
        return math.ceil(1000 * kimg / self.batch_size) * self.batch_size

    @property
    def warm_start_schedule(self) -> CosineSchedule:
        """The learning rate of the warm start."""
        lr = self.warm_start_lr
        return CosineSchedule(start=lr, end=lr / 10, to_kimg=self.warm_start_images / 1000)


LISTS = {
    *("widths", "blocks", "augment", "further_half_lives_kimg", "degrade", "discriminator_widths"),
    *("grow_kimg", "strides", "pitches"),
}
PROGRESS_FIELDS = {
    *("kimg", "status_kimg", "snapshot_kimg", "checkpoint_kimg", "keep_checkpoints", "watch"),
    "schedule_kimg",
}
"""Settings that may change when a run is resumed: its length, its reports, and its limits."""


NOTHING = "none"


def build_config(
    preset: str,
    changes: dict[str, Any],
    facts: Facts | None = None,
    schedule_kimg: float | None = None,
) -> TrainConfig:
    """Build a preset's configuration with `changes`, such as {"lr.end": "1e-4", "batch_size": 64}.

    facts: input of the preset `auto`. schedule_kimg: the length to stretch the preset's schedules
    to; None: its own. Raises UsageError naming the setting, its value and what is allowed.
    """
    values: dict[str, Any] = {"preset": preset, **recipe_of(preset, facts, schedule_kimg)}
    for key, value in changes.items():
        _set(values, key, value)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error, TrainConfig.model_fields)) from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    field, _, part = key.partition(".")
    if not part:
        values[field] = _as_list(value) if field in LISTS else _or_none(field, value)
        return
    inner = values.get(field, {})
    inner = dict(inner) if isinstance(inner, dict) else {"start": inner, "end": inner}
    _set(inner, part, value)
    values[field] = inner


def _or_none(field: str, value: Any) -> Any:
    """Parse the text `none` as None for optional settings."""
    known = TrainConfig.model_fields.get(field)
    return None if value == NOTHING and known and known.default is None else value


def _as_list(value: Any) -> Any:
    return [item for item in value.split(",") if item] if isinstance(value, str) else value
