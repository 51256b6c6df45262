"""Presets for another length of training."""

from typing import Any

TIMES = {
    *("from_kimg", "to_kimg", "warm_start_kimg", "grow_kimg", "augment_speed_kimg"),
    *("further_half_lives_kimg",),
}
"""Settings that are times; reports and checkpoints keep their own intervals."""
HALF_LIFE = "ema_half_life_kimg"
"""A schedule whose values are times as well."""


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
