"""Presets for another length of training."""

from typing import Any

TIMES = {
    *("from_kimg", "to_kimg", "warm_start_kimg", "grow_kimg", "augment_speed_kimg"),
    *("ema_half_life_kimg", "further_half_lives_kimg"),
}
"""Settings that are times; reports and checkpoints keep their own intervals."""
VALUES = {"start", "end", "then"}
"""Parts of a schedule that are times only if the setting is one."""


def stretched(recipe: dict[str, Any], kimg: float) -> dict[str, Any]:
    """A preset with all its times multiplied, so that it ends after `kimg` thousand images."""
    factor = kimg / recipe["kimg"]
    times = {name: _scaled(name, value, factor) for name, value in recipe.items()}
    return {**times, "kimg": kimg}


def _scaled(name: str, value: Any, factor: float) -> Any:
    if isinstance(value, dict):
        return {
            part: _scaled(name if part in VALUES else part, inner, factor)
            for part, inner in value.items()
        }
    if name not in TIMES:
        return value
    return [item * factor for item in value] if isinstance(value, list) else value * factor
