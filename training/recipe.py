"""The settings of a preset, with schedules for a given length of training."""

from typing import Any

from mirage.training.auto import Facts, choose
from mirage.training.errors import UsageError
from mirage.training.presets import PRESETS

AUTO = "auto"
STRETCHED_TASK = "generate"
"""Presets of other tasks begin phases at fixed times, which another length does not move."""
TIMES = {
    *("from_kimg", "to_kimg", "warm_start_kimg", "grow_kimg", "augment_speed_kimg"),
    *("further_half_lives_kimg",),
}
"""Settings that are times; reports and checkpoints keep their own intervals."""
HALF_LIFE = "ema_half_life_kimg"
"""A schedule whose values are times as well."""


def recipe_of(preset: str, facts: Facts | None, kimg: float | None) -> dict[str, Any]:
    """The settings of a preset by name; raises UsageError.

    facts: input of the preset `auto`. kimg: the length to stretch the schedules to; None: that of
    the preset.
    """
    if preset == AUTO and facts is not None:
        recipe = choose(facts)[0]
    elif preset in PRESETS:
        recipe = PRESETS[preset]
    else:
        allowed = ", ".join([AUTO, *sorted(PRESETS)])
        raise UsageError(f"--preset is {preset}; allowed are {allowed}")
    if kimg is None or recipe.get("task", STRETCHED_TASK) != STRETCHED_TASK:
        return recipe
    return {**stretched(recipe, kimg), "schedule_kimg": kimg}


def stretched(recipe: dict[str, Any], kimg: float) -> dict[str, Any]:
    """A preset with all its times multiplied, so that it ends after `kimg` thousand images."""
    factor = kimg / recipe["kimg"]
    times = {name: _scaled(name, value, factor) for name, value in recipe.items()}
    return {**times, "kimg": kimg}


def _scaled(name: str, value: Any, factor: float) -> Any:
    if isinstance(value, dict):
        values = {"start", "end"} if name == HALF_LIFE else set()
        return {
            key: inner * factor if key in values else _scaled(key, inner, factor)
            for key, inner in value.items()
        }
    if name not in TIMES and name != HALF_LIFE:
        return value
    return [item * factor for item in value] if isinstance(value, list) else value * factor
