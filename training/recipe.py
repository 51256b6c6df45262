"""The settings of a preset, with schedules for a given length of training."""

from typing import Any

from mirage.bundle.format.interface import OutputMeaning
from mirage.training.auto import Facts, choose
from mirage.training.errors import UsageError
from mirage.training.networks.families import FAMILIES
from mirage.training.presets import PRESETS
from mirage.training.stretch import stretched

AUTO = "auto"
STRETCHED_TASK = "generate"
"""Presets of other tasks begin phases at fixed times, which another length does not move."""


def presets_for(meaning: OutputMeaning) -> list[str]:
    """The names of the presets whose networks make such samples."""
    return [
        name for name, recipe in PRESETS.items() if meaning in FAMILIES[recipe["family"]].meanings
    ]


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
