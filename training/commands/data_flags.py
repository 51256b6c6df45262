"""Flags that say which data, and how their pictures are read."""

import argparse
from pathlib import Path
from typing import Any

from mirage.training.config import TrainConfig
from mirage.training.data.pictures import PictureOptions, PictureSet, load_pictures
from mirage.training.dataset import DataOptions, Dataset, load_dataset, load_splits
from mirage.training.dataset.hub import PREFIX
from mirage.training.dataset.options import AUTO, NONE, build_options, options_of

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
