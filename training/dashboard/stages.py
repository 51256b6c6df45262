"""The stages of a training, and when each begins."""

from typing import Any

from pydantic import BaseModel

from mirage.training.config import TrainConfig


class Stage(BaseModel):
    """nimg: images seen when it begins."""

    name: str
    nimg: int


def stages_of(config: TrainConfig, data: dict[str, Any]) -> list[Stage]:
    """All stages of a run in order; at least one."""
    name, begins = (
        (_stage_of_pictures, _adversarial_from(config))
        if config.task == "upscale"
        else (_stage_of_images, [config.warm_start_images, *config.growth_images])
    )
    return [
        Stage(name=name(config, data, nimg), nimg=nimg)
        for nimg in sorted({0, *begins})
        if nimg < 1000 * config.kimg
    ]


def _adversarial_from(config: TrainConfig) -> list[int]:
    begins = config.adversarial_ratio.begins_kimg
    return [] if begins is None else [round(1000 * begins)]


def _stage_of_pictures(config: TrainConfig, data: dict[str, Any], nimg: int) -> str:
    begins = _adversarial_from(config)
    return "adversarial" if begins and nimg >= begins[0] else "content loss"


def _stage_of_images(config: TrainConfig, data: dict[str, Any], nimg: int) -> str:
    name = "warm start" if nimg < config.warm_start_images else "adversarial"
    if not config.growth_images:
        return name
    height, width, _ = data["shape"]
    left = config.stages_left(nimg)
    return f"{name}, {width >> left} x {height >> left} pixels"
