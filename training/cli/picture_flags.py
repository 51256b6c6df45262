"""Flags of tasks that take pictures, and their conversion to options and data."""

import argparse
from typing import Any

from mirage.bundle.format.manifest import Manifest
from mirage.training.config import TrainConfig
from mirage.training.data.options import options_of
from mirage.training.data.sources.pictures import PictureOptions, PictureSet, load_pictures
from mirage.training.data.sources.styles import StyleSet, load_styles


def add_picture_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `PictureOptions`; flags that are not given are absent."""
    group = parser.add_argument_group("how pictures are read, for --task upscale")
    group.add_argument("--low", metavar="PATH", help="low resolution, under the same names")
    group.add_argument(
        "--shrink",
        type=_factors,
        metavar="N[,N …]",
        default=argparse.SUPPRESS,
        help="reduce pictures first, which removes JPEG artefacts; several add one copy for each",
    )


def add_style_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the two styles of a translation."""
    group = parser.add_argument_group("what pictures are read, for --task translate")
    for name, meaning in (("source", "pictures to translate"), ("target", "in the other style")):
        group.add_argument(f"--{name}", dest=f"{name}_pictures", metavar="PATH", help=meaning)


def _factors(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(",")))
    except ValueError:
        reason = f"{text} is no list of factors; expected whole numbers such as 1,2"
        raise argparse.ArgumentTypeError(reason) from None


def picture_options(
    options: argparse.Namespace, recorded: dict[str, Any] | None = None
) -> PictureOptions:
    """Build PictureOptions from the flags, then from `recorded`; raises UsageError."""
    names = PictureOptions.model_fields
    given = {name: getattr(options, name) for name in names if name in options}
    return options_of(PictureOptions, {**(recorded or {}), **given})


def options_of_bundle(manifest: Manifest) -> dict[str, Any]:
    """What the input of a model of pictures tells of `PictureOptions`."""
    return {"channels": manifest.inputs[0].sizes[-1]}


def read_pictures(options: argparse.Namespace, config: TrainConfig) -> PictureSet:
    """Load the pictures to train on; raises DataError or UsageError."""
    least = (config.crop, config.scale * config.crop)
    return load_pictures(options.data, picture_options(options), least, options.low)


def read_styles(options: argparse.Namespace, config: TrainConfig) -> StyleSet:
    """Load the pictures of both styles; raises DataError or UsageError."""
    return load_styles(
        options.source_pictures,
        options.target_pictures,
        picture_options(options),
        config.crop,
        config.paired,
    )
