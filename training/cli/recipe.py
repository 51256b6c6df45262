"""The flags of a training configuration, and what they ask for."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirage.training.auto import Facts
from mirage.training.cli.flags import add_data_flags, add_threads, read_data
from mirage.training.cli.picture_flags import (
    add_picture_flags,
    add_style_flags,
    read_pictures,
    read_styles,
)
from mirage.training.config import TrainConfig, build_config
from mirage.training.data.dataset import Dataset
from mirage.training.data.flatness import flat_share
from mirage.training.errors import UsageError
from mirage.training.lengths import MAX_KIMG
from mirage.training.media.images import Images
from mirage.training.presets import PRESETS
from mirage.training.recipe import AUTO, presets_for
from mirage.training.runs.device import DEVICES, resolve_device
from mirage.training.runs.initial_weights import name_of
from mirage.training.runs.run_dir import Run

GENERATE, UPSCALE, TRANSLATE = "generate", "upscale", "translate"
FIRST_PRESETS = {GENERATE: AUTO, UPSCALE: "photo-x4", TRANSLATE: "translate-small"}
"""The default preset of each task."""
LARGE = Facts(images=100_000, height=512, width=512, channels=3, classes=0, device="cpu")
"""With these, settings are checked for the preset `auto` before the data are read."""

RECORDED = {"preset": "--preset", "begun_from": "--from", "schedule_kimg": "--kimg"}
"""Settings that tell how a run was begun, and the flags that do it."""


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a training configuration."""
    add_data_flags(parser, required=False)
    add_picture_flags(parser)
    add_style_flags(parser)
    parser.add_argument(
        "--paired",
        action="store_true",
        help="for --task translate: each source has a twin of the same name in --target",
    )
    parser.add_argument("--task", choices=sorted(FIRST_PRESETS), help="default: the preset's")
    parser.add_argument(
        "--preset",
        help=f"one of {', '.join(sorted(PRESETS))}; auto: chosen from the data; default: "
        + ", ".join(f"{name} for task {task}" for task, name in FIRST_PRESETS.items()),
    )
    parser.add_argument("--scale", help="factor of enlargement, for --task upscale")
    parser.add_argument(
        "--kimg",
        type=float,
        help="thousands of images to train for; the schedules of the preset are stretched to it",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change one setting of the preset, such as batch_size=64; may be given several times; "
        "--dry-run lists them",
    )
    parser.add_argument(
        "--device", default="auto", help=f"one of {', '.join(DEVICES)}; auto: CUDA if there is one"
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="start",
        metavar="BUNDLE|RUN",
        help="initialise with its weights; disables the warm start",
    )
    parser.add_argument(
        "--keep-checkpoints", type=int, metavar="N", help="checkpoints to keep; default: 2"
    )
    parser.add_argument(
        "--allow-restart",
        action="store_true",
        help="restart at 0 if the run has checkpoints and none can be used; default: fail",
    )
    add_threads(parser)


def check_recipe(options: argparse.Namespace) -> None:
    """Raise UsageError for invalid flags before the data are read."""
    resolve_device(options.device)
    auto = preset_of(options) == AUTO
    config = config_of(options, None, facts=LARGE if auto else None)
    check_paths(options, config.task)


def check_paths(options: argparse.Namespace, task: str) -> None:
    """Raise UsageError unless the paths of the task's data are given, and no others."""
    flags = {
        "--data": options.data,
        "--source": options.source_pictures,
        "--target": options.target_pictures,
    }
    needed = ("--source", "--target") if task == TRANSLATE else ("--data",)
    for name, path in flags.items():
        if (path is None) == (name in needed):
            fault = "absent" if path is None else path
            raise UsageError(f"{name} is {fault}; task {task} reads {' and '.join(needed)}")


def preset_of(options: argparse.Namespace) -> str:
    """The named preset, else the default of the task."""
    return options.preset or FIRST_PRESETS[options.task or GENERATE]


def read_recipe(options: argparse.Namespace) -> tuple[TrainConfig, Any]:
    """Build the configuration from the flags of `add_recipe`, and load the task's data.

    Raises UsageError, if possible before the data are read, and DataError.
    """
    check_recipe(options)
    if early := picture_config(options):
        read = read_styles if early.task == TRANSLATE else read_pictures
        return early, read(options, early)
    data = read_data(options)
    return config_of(options, data), data


def picture_config(options: argparse.Namespace) -> TrainConfig | None:
    """The configuration of a task with pictures, which needs no data; None for `generate`."""
    if preset_of(options) == AUTO:
        return None
    config = config_of(options, None)
    return config if config.task != GENERATE else None


def config_of(
    options: argparse.Namespace,
    data: Dataset | None,
    kimg: float | None = None,
    facts: Facts | None = None,
) -> TrainConfig:
    """The configuration that the flags of `add_recipe` ask for; raises UsageError.

    data: what the preset `auto` needs. kimg: the length that it plans for; None: its own choice.
    facts: of the data, if these are not known yet.
    """
    changes: dict[str, Any] = dict(_change(text) for text in options.changes)
    if options.kimg is not None:
        changes["kimg"] = options.kimg
    if options.keep_checkpoints is not None:
        changes["keep_checkpoints"] = options.keep_checkpoints
    if options.start is not None:
        changes["begun_from"] = name_of(options.start)
        changes.setdefault("warm_start_kimg", 0)  # a warm start would overwrite the weights
    if options.paired:
        changes["paired"] = True
    for name in ("task", "scale"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    length = kimg or _schedule_length(options)
    if data is not None and preset_of(options) == AUTO:
        facts = facts_of(data, options.device, length)
    return build_config(preset_of(options), changes, facts, length)


def _schedule_length(options: argparse.Namespace) -> float | None:
    """The length that the schedules are stretched to; None: as in the preset.

    A run keeps the schedules that it began with when it is resumed with another --kimg.
    """
    folder = getattr(options, "run", None)
    if folder and (run := Run(folder)).config_file.exists():
        return run.read_config()[0].schedule_kimg
    valid = options.kimg is not None and 0 < options.kimg <= MAX_KIMG
    return options.kimg if valid else None


def facts_of(data: Dataset, device: str, kimg: float | None = None) -> Facts:
    """The facts that the preset `auto` depends on."""
    medium = data.medium
    if not isinstance(medium, Images):
        raise UsageError(
            f"--preset is {AUTO}, which is for images, and the data are {medium.noun}; allowed are "
            f"{', '.join(presets_for(medium.meaning))}"
        )
    images, height, width, channels = data.images.shape
    kind = resolve_device(device).type
    facts = Facts(images, height, width, channels, len(data.classes), kind, kimg)
    return replace(facts, flat=flat_share(data.images)) if facts.few else facts


def _change(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set is {text}; expected KEY=VALUE")
    if flag := RECORDED.get(key):
        raise UsageError(f"--set is {text}; {key} is recorded for the model card, use {flag}")
    return key, value
