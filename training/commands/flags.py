"""Flags that several commands share, and what is made of them."""

import argparse
from pathlib import Path
from typing import Any

from mirage.training.auto import Facts
from mirage.training.card import Card
from mirage.training.commands.data_flags import (
    add_data_flags,
    add_picture_flags,
    read_data,
    read_pictures,
)
from mirage.training.config import AUTO, TrainConfig, build_config
from mirage.training.dataset import Dataset
from mirage.training.device import DEVICES, resolve_device
from mirage.training.errors import UsageError
from mirage.training.finetune import name_of
from mirage.training.presets import PRESETS

GENERATE, UPSCALE = "generate", "upscale"
FIRST_PRESETS = {GENERATE: "mnist", UPSCALE: "photo-x4"}
"""What a task is trained with unless another preset is named."""
CARD_FLAGS = (
    ("--data-name", "data", "what the data are"),
    ("--data-license", "data_license", "the licence of the data"),
    ("--license", "license", "the licence of the model, e.g. cc-by-sa-3.0"),
)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """What is trained, on what, for how long."""
    add_data_flags(parser)
    add_picture_flags(parser)
    parser.add_argument("--task", choices=sorted(FIRST_PRESETS), help="default: the preset's")
    parser.add_argument(
        "--preset",
        help=f"one of {', '.join(sorted(PRESETS))}; auto: chosen from the data; default: "
        + ", ".join(f"{name} for task {task}" for task, name in FIRST_PRESETS.items()),
    )
    parser.add_argument("--scale", help="how much larger pictures become, for --task upscale")
    parser.add_argument("--kimg", type=float, help="thousands of images to train for")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument(
        "--device", default="auto", help=f"one of {', '.join(DEVICES)}; auto: CUDA if there is one"
    )
    parser.add_argument(
        "--from", type=Path, dest="start", metavar="BUNDLE|RUN", help="begin with its weights"
    )
    parser.add_argument(
        "--keep-checkpoints", type=int, metavar="N", help="the newest so many; default: 2"
    )
    parser.add_argument(
        "--allow-restart",
        action="store_true",
        help="begin at 0 when the run has checkpoints and none can be used; default: refuse",
    )
    add_threads(parser)


def check_recipe(options: argparse.Namespace) -> None:
    """Raise UsageError for flags that are wrong whatever the data, before those are read."""
    resolve_device(options.device)
    if preset_of(options) != AUTO:
        config_of(options, None)


def check_publishable(options: argparse.Namespace) -> None:
    """Raise UsageError for a task whose models no bundle holds yet."""
    if preset_of(options) != AUTO and config_of(options, None).task != GENERATE:
        reason = f"bundles hold models of task {GENERATE} only; train such a run with `train`"
        raise UsageError(f"--preset is {preset_of(options)}; {reason}")


def preset_of(options: argparse.Namespace) -> str:
    """The preset that is asked for, or the first of the task."""
    return options.preset or FIRST_PRESETS[options.task or GENERATE]


def read_recipe(options: argparse.Namespace) -> tuple[TrainConfig, Any]:
    """The configuration that the flags of `add_recipe` ask for, and its data, of the task's kind.

    Raises UsageError for what is wrong whatever the data before those are read, and DataError.
    """
    check_recipe(options)
    early = None if preset_of(options) == AUTO else config_of(options, None)
    if early is not None and early.task == UPSCALE:
        return early, read_pictures(options, early)
    data = read_data(options)
    return config_of(options, data), data


def config_of(options: argparse.Namespace, data: Dataset | None) -> TrainConfig:
    """The configuration that the flags of `add_recipe` ask for; raises UsageError.

    data: what the preset `auto` needs.
    """
    changes: dict[str, Any] = dict(_change(text) for text in options.changes)
    if options.kimg is not None:
        changes["kimg"] = options.kimg
    if options.keep_checkpoints is not None:
        changes["keep_checkpoints"] = options.keep_checkpoints
    if options.start is not None:
        changes["begun_from"] = name_of(options.start)
    for name in ("task", "scale"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    facts = None if data is None else facts_of(data, options.device)
    return build_config(preset_of(options), changes, facts)


def facts_of(data: Dataset, device: str) -> Facts:
    """What the preset `auto` chooses from."""
    images, height, width, channels = data.images.shape
    classes, kind = len(data.classes), resolve_device(device).type
    return Facts(images, height, width, channels, classes, kind)


def _change(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set is {text}; expected KEY=VALUE")
    return key, value


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, help="CPU threads; default: the run's, or torch's")


def add_card(parser: argparse._ActionsContainer) -> None:
    """What only a person knows of a model."""
    for flag, field, meaning in CARD_FLAGS:
        parser.add_argument(
            flag, dest=f"card_{field}", default=argparse.SUPPRESS, metavar="TEXT", help=meaning
        )


def card_of(options: argparse.Namespace) -> Card | None:
    """The card that the flags of `add_card` ask for; None when none of them is given."""
    given = {
        field: getattr(options, f"card_{field}")
        for _, field, _ in CARD_FLAGS
        if f"card_{field}" in options
    }
    return Card(**given) if given else None
