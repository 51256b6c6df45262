"""Flags that several commands share, and what is made of them."""

import argparse
from pathlib import Path
from typing import Any

from mirage.training.auto import Facts
from mirage.training.config import AUTO as AUTO_PRESET
from mirage.training.config import TrainConfig, build_config
from mirage.training.data.dataset import Dataset
from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import AUTO, NONE, DataOptions, build_options, options_of
from mirage.training.data.sources.huggingface import PREFIX
from mirage.training.data.sources.pictures import PictureOptions, PictureSet, load_pictures
from mirage.training.errors import UsageError
from mirage.training.presets import PRESETS
from mirage.training.publish.model_card import ModelCard
from mirage.training.runs.device import DEVICES, resolve_device
from mirage.training.runs.warm_start import name_of

DATA = "a folder or ZIP of images, IDX, .npy or .npz files, or hf:NAME[:CONFIG][@SPLIT]"


def add_data_flags(
    parser: argparse._ActionsContainer, required: bool = True, meaning: str = DATA
) -> None:
    """--data, and the flags of every option; those that are not given are absent."""
    parser.add_argument("--data", required=required, metavar="PATH", help=meaning)
    if isinstance(parser, argparse.ArgumentParser):
        parser = parser.add_argument_group("how images are read")
    for name, settings in _flags().items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **settings)


def _flags() -> dict[str, dict[str, Any]]:
    return {
        "size": {
            "type": _size,
            "metavar": "WxH|N",
            "help": "width and height, multiples of 4; default: as they are",
        },
        "crop": {
            "choices": ("center", "none", "pad"),
            "help": "cut to the shape of --size (center, the default), squeeze, or pad",
        },
        "upscale": {
            "action": argparse.BooleanOptionalAction,
            "help": "enlarge images smaller than --size; default: leave them out",
        },
        "channels": {"type": int, "choices": (1, 3, 4), "help": "default: what the images have"},
        "alpha": {
            "choices": ("keep", "composite"),
            "help": "transparency: a channel (the default), or put over --background",
        },
        "background": {"metavar": "COLOUR", "help": "a name or #rrggbb; default: white"},
        "labels": {
            "metavar": "FILE",
            "help": "CSV `name,label` or JSON as StyleGAN's; a column of hf: data; or none. "
            "Default: class folders, or what lies beside the images",
        },
        "mirror": {
            "action": argparse.BooleanOptionalAction,
            "help": "train on every image mirrored as well",
        },
        "max_broken": {
            "type": float,
            "metavar": "SHARE",
            "help": "of images that may be unusable; default 0.01",
        },
    }


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height or width)
    except ValueError:
        reason = f"{text} is no size; expected WIDTHxHEIGHT, or one number for a square"
        raise argparse.ArgumentTypeError(reason) from None


def data_options(
    options: argparse.Namespace, recorded: dict[str, Any] | None = None
) -> DataOptions:
    """What the flags ask for; those not given are as `recorded`, else as by default.

    Raises UsageError naming the flag.
    """
    given = {name: getattr(options, name) for name in _flags() if name in options}
    labels = given.get("labels", NONE)
    if labels not in (AUTO, NONE) and not options.data.startswith(PREFIX):
        given["labels"] = str(Path(labels).resolve())  # it is recorded, and read again from there
    return build_options({**(recorded or {}), **given})


def read_data(options: argparse.Namespace) -> Dataset:
    """The data to train on that the flags ask for; raises DataError or UsageError."""
    return load_dataset(options.data, options=data_options(options))


def add_picture_flags(parser: argparse.ArgumentParser) -> None:
    """How the pictures of task `upscale` are read; those that are not given are absent."""
    group = parser.add_argument_group("how pictures are read, for --task upscale")
    group.add_argument("--low", metavar="PATH", help="low-resolution twins of the same names")
    group.add_argument(
        "--shrink",
        type=lambda text: tuple(map(int, text.split(","))),
        metavar="N[,N …]",
        default=argparse.SUPPRESS,
        help="make pictures smaller first, which removes the traces of JPEG; by each of several",
    )
    group.add_argument(
        "--held-out",
        type=float,
        metavar="PERCENT",
        default=argparse.SUPPRESS,
        help="kept for scores, by a hash of the folder or the content; default 5",
    )


def picture_options(
    options: argparse.Namespace, recorded: dict[str, Any] | None = None
) -> PictureOptions:
    """What the flags ask for; those not given are as `recorded`. Raises UsageError."""
    names = PictureOptions.model_fields
    given = {name: getattr(options, name) for name in names if name in options}
    return options_of(PictureOptions, {**(recorded or {}), **given})


def read_pictures(options: argparse.Namespace, config: TrainConfig) -> PictureSet:
    """The pictures to train on that the flags ask for; raises DataError or UsageError."""
    least = (config.crop, config.scale * config.crop)
    return load_pictures(options.data, picture_options(options), least, options.low)


def read_splits(
    options: argparse.Namespace, recorded: dict[str, Any] | None = None
) -> tuple[Dataset, Dataset]:
    """The data to train on and those held out; `recorded`: the options of a run's data."""
    return load_splits(options.data, data_options(options, recorded))


GENERATE, UPSCALE = "generate", "upscale"
FIRST_PRESETS = {GENERATE: "mnist", UPSCALE: "photo-x4"}
"""What a task is trained with unless another preset is named."""
MOST_CREDITS = 1_000_000
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
        "--from",
        type=Path,
        dest="start",
        metavar="BUNDLE|RUN",
        help="begin with its weights, without a warm start",
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
    if preset_of(options) != AUTO_PRESET:
        config_of(options, None)


def preset_of(options: argparse.Namespace) -> str:
    """The preset that is asked for, or the first of the task."""
    return options.preset or FIRST_PRESETS[options.task or GENERATE]


def read_recipe(options: argparse.Namespace) -> tuple[TrainConfig, Any]:
    """The configuration that the flags of `add_recipe` ask for, and its data, of the task's kind.

    Raises UsageError for what is wrong whatever the data before those are read, and DataError.
    """
    check_recipe(options)
    if early := upscale_config(options):
        return early, read_pictures(options, early)
    data = read_data(options)
    return config_of(options, data), data


def upscale_config(options: argparse.Namespace) -> TrainConfig | None:
    """The configuration of task `upscale`, which needs no data; None for other tasks."""
    if preset_of(options) == AUTO_PRESET:
        return None
    config = config_of(options, None)
    return config if config.task == UPSCALE else None


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
        changes.setdefault("warm_start_kimg", 0)  # it would undo what was learnt
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
    parser.add_argument(
        "--credits",
        dest="card_credits",
        type=_credits,
        default=argparse.SUPPRESS,
        metavar="FILE.md",
        help="names the authors of the data, as the commands prepare-… write it",
    )


def _credits(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MOST_CREDITS + 1)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from None
    if len(text) > MOST_CREDITS:
        raise argparse.ArgumentTypeError(f"{path} has over {MOST_CREDITS:,} characters")
    return text


def card_of(options: argparse.Namespace) -> ModelCard | None:
    """The card that the flags of `add_card` ask for; None when none of them is given."""
    names = [*(field for _, field, _ in CARD_FLAGS), "credits"]
    given = {name: getattr(options, f"card_{name}") for name in names if f"card_{name}" in options}
    return ModelCard(**given) if given else None
