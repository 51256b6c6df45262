"""Flags of `evaluate` that only models of one task have."""

import argparse

from mirage.training.cli.recipe import GENERATE, UPSCALE
from mirage.training.errors import UsageError

OF_IMAGES = ("--cas", "--stacked", "--self-supervised", "--inception")
"""Flags for scores that only images have."""
FLAGS_OF = {GENERATE: ("--fast", *OF_IMAGES), UPSCALE: ("--degrade", "--low", "--only", "--shrink")}


def given(options: argparse.Namespace, *flags: str) -> list[str]:
    """Those of the flags that are given."""
    values = vars(options)
    return [f for f in flags if values.get(f[2:].replace("-", "_")) not in (None, False, "")]


def check_flags(options: argparse.Namespace, task: str) -> None:
    """Raise UsageError for flags of another task, which would have no effect."""
    for own, flags in FLAGS_OF.items():
        if own != task and (wrong := given(options, *flags)):
            verb = "is" if len(wrong) == 1 else "are"
            raise UsageError(
                f"{' and '.join(wrong)} {verb} of task {own}; {options.source} is of task {task}"
            )
