"""Flags shared by several commands, and their conversion to configurations and data."""

import argparse
import sys
from pathlib import Path
from typing import Any

from mirage.training.auto import Facts
from mirage.training.cli.picture_flags import (
    add_picture_flags,
    add_style_flags,
    read_pictures,
    read_styles,
)
from mirage.training.config import AUTO as AUTO_PRESET
from mirage.training.config import TrainConfig, build_config
from mirage.training.data.dataset import Dataset
from mirage.training.data.groups import RULES
from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import AUTO, NONE, DataOptions, build_options
from mirage.training.data.sources.huggingface import is_table
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.data.sources.styles import StyleSet
from mirage.training.errors import UsageError
from mirage.training.presets import PRESETS
from mirage.training.publish.model_card import ModelCard
from mirage.training.runs.device import DEVICES, resolve_device
from mirage.training.runs.initial_weights import name_of

DATA = (
    "a folder, .zip or .tar of images, an IDX, .npy, .npz or .parquet file, or "
    "hf:NAME[:CONFIG][@SPLIT]"
)
READING = """Folders that hold only one folder are skipped. Folders named like train, test and val
are splits: training reads the first, evaluation the second. Other top folders are classes; a single
class is ignored. Without --channels, images become RGBA if a tenth of them are transparent. Files
that are not read and other findings are printed; docs/data.md has all rules."""


def add_data_flags(
    parser: argparse._ActionsContainer, required: bool = True, meaning: str = DATA
) -> None:
    """Add --data and the flags of `DataOptions`; flags that are not given are absent."""
    parser.add_argument("--data", required=required, metavar="PATH", help=meaning)
    if isinstance(parser, argparse.ArgumentParser):
        parser = parser.add_argument_group("how images are read", READING)
    for name, settings in _flags().items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **settings)


def _flags() -> dict[str, dict[str, Any]]:
    return {
        "size": {
            "type": _size,
            "metavar": "WxH|N",
            "help": "width and height, multiples of 4; default: unchanged",
        },
        "crop": {
            "choices": ("center", "none", "pad"),
            "help": "crop to the aspect ratio of --size (center, the default), stretch, or pad",
        },
        "upscale": {
            "action": argparse.BooleanOptionalAction,
            "help": "enlarge images smaller than --size; default: leave them out",
        },
        "channels": {"type": int, "choices": (1, 3, 4), "help": "default: as in the images"},
        "alpha": {
            "choices": ("keep", "composite"),
            "help": "keep transparency as a channel (default), or composite over --background",
        },
        "background": {"metavar": "COLOUR", "help": "a name or #rrggbb; default: white"},
        "labels": {
            "metavar": "FILE",
            "help": "CSV `name,label`, JSON like StyleGAN, or JSON lines; a column of hf: data or "
            "a .parquet file; or none. Default: class folders, or dataset.json, metadata.csv or "
            "metadata.jsonl beside the images",
        },
        "split": {
            "metavar": "TRAIN[,TEST]",
            "help": "folders of the training and test images, or none. Default: by their names",
        },
        "mirror": {
            "action": argparse.BooleanOptionalAction,
            "help": "also train on the mirror image of every image",
        },
        "max_broken": {
            "type": float,
            "metavar": "SHARE",
            "help": "largest share of broken images; default 0.01, and one in eight up to 3",
        },
        "groups": {
            "metavar": "RULE|FILE",
            "help": "which images are related: folder; emoji, by file names of code points without "
            "skin tones and genders; or a file like that of --labels. Default: none",
        },
        "held_out": {
            "type": float,
            "metavar": "PERCENT",
            "help": "held out for evaluation, in whole groups, chosen by a hash; default 0, and 5 "
            "for --task upscale, where groups are folders or else contents",
        },
    }


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height or width)
    except ValueError:
        reason = f"{text} is not a size; expected WIDTHxHEIGHT, or one number for a square"
        raise argparse.ArgumentTypeError(reason) from None


def data_options(
    options: argparse.Namespace, recorded: dict[str, Any] | None = None
) -> DataOptions:
    """Build DataOptions from the flags, then from `recorded`, then from defaults.

    Raises UsageError naming the flag.
    """
    given = {name: getattr(options, name) for name in _flags() if name in options}
    labels = given.get("labels", NONE)
    if labels not in (AUTO, NONE) and not is_table(options.data):
        given["labels"] = str(Path(labels).resolve())  # recorded with the run and read again
    if (groups := given.get("groups", NONE)) not in (NONE, *RULES):
        given["groups"] = str(Path(groups).resolve())
    return build_options({**(recorded or {}), **given})


def read_data(options: argparse.Namespace) -> Dataset:
    """Load the training data; raises DataError or UsageError."""
    return load_dataset(options.data, options=data_options(options))


def print_notes(data: Dataset | PictureSet | StyleSet) -> None:
    """Print what was found in the data and decided, for people."""
    for note in data.notes:
        sys.stderr.write(f"note: {note}\n")


def read_splits(
    options: argparse.Namespace, recorded: dict[str, Any] | None = None
) -> tuple[Dataset, Dataset]:
    """Load the splits "train" and "test"; recorded: the data options of a run."""
    return load_splits(options.data, data_options(options, recorded))


GENERATE, UPSCALE, TRANSLATE = "generate", "upscale", "translate"
FIRST_PRESETS = {GENERATE: "mnist", UPSCALE: "photo-x4", TRANSLATE: "translate-small"}
"""The default preset of each task."""
MAX_CREDITS = 1_000_000
CARD_FLAGS = (
    ("--data-name", "data", "name of the data"),
    ("--data-id", "data_id", "id of the data on the Hugging Face Hub, such as ylecun/mnist"),
    ("--data-license", "data_license", "licence of the data"),
    ("--license", "license", "licence of the model, e.g. cc-by-sa-3.0"),
    ("--limits", "limits", "what the model is known to do badly"),
)


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
    parser.add_argument("--kimg", type=float, help="thousands of images to train for")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
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
        help="restart at 0 if the run has checkpoints and none can be read; default: fail",
    )
    add_threads(parser)


def check_recipe(options: argparse.Namespace) -> None:
    """Raise UsageError for invalid flags before the data are read."""
    resolve_device(options.device)
    task = GENERATE
    if preset_of(options) != AUTO_PRESET:
        task = config_of(options, None).task
    check_paths(options, task)


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
    if preset_of(options) == AUTO_PRESET:
        return None
    config = config_of(options, None)
    return config if config.task != GENERATE else None


def config_of(
    options: argparse.Namespace, data: Dataset | None, kimg: float | None = None
) -> TrainConfig:
    """The configuration that the flags of `add_recipe` ask for; raises UsageError.

    data: what the preset `auto` needs. kimg: the length that it plans for; None: its own choice.
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
    facts = None if data is None else facts_of(data, options.device, kimg)
    return build_config(preset_of(options), changes, facts)


def facts_of(data: Dataset, device: str, kimg: float | None = None) -> Facts:
    """The facts that the preset `auto` depends on."""
    images, height, width, channels = data.images.shape
    kind = resolve_device(device).type
    return Facts(images, height, width, channels, len(data.classes), kind, kimg)


def _change(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set is {text}; expected KEY=VALUE")
    return key, value


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=positive, help="CPU threads; default: as recorded, or chosen by torch"
    )


def add_card(parser: argparse._ActionsContainer) -> None:
    """Add the flags of the model card."""
    for flag, field, meaning in CARD_FLAGS:
        parser.add_argument(
            flag, dest=f"card_{field}", default=argparse.SUPPRESS, metavar="TEXT", help=meaning
        )
    parser.add_argument(
        "--credits",
        dest="card_credits",
        type=_credits,
        default=argparse.SUPPRESS,
        metavar="FILE.md",
        help="authors of the data, as written by the commands prepare-…",
    )


def _credits(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_CREDITS + 1)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from None
    if len(text) > MAX_CREDITS:
        raise argparse.ArgumentTypeError(f"{path} has over {MAX_CREDITS:,} characters")
    return text


def card_of(options: argparse.Namespace) -> ModelCard | None:
    """Build a model card from the flags of `add_card`; None if none is given."""
    names = [*(field for _, field, _ in CARD_FLAGS), "credits"]
    given = {name: getattr(options, f"card_{name}") for name in names if f"card_{name}" in options}
    return ModelCard(**given) if given else None
