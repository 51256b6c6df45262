"""Flags shared by several commands, and their conversion to configurations and data."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mirage.training.data.dataset import Dataset
from mirage.training.data.findings import findings
from mirage.training.data.groups import RULES
from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import AUTO, NONE, DataOptions, build_options
from mirage.training.data.sources.huggingface import is_table
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.data.sources.styles import StyleSet
from mirage.training.publish.model_card import ModelCard

DATA = (
    "a folder, .zip or .tar of images, sounds (.wav, .flac) or sequences, a FASTA or .txt file, an "
    "IDX, .npy, .npz or .parquet file, or hf:NAME[:CONFIG][@SPLIT]"
)
READING = """Folders that hold only one folder are skipped. Folders named like train, test and val
are splits: training reads the first, evaluation the second. Other top folders are classes; a single
class is ignored. Without --channels, images become RGBA if a tenth of them are transparent. Files
that are not read and other findings are printed; docs/data.md has all rules."""


def describing(add: Callable[..., argparse.ArgumentParser]) -> Callable[..., Any]:
    """`add_parser` of subparsers, so that a command's own help begins with its line in the list."""

    def described(name: str, **options: Any) -> argparse.ArgumentParser:
        text = options["help"]
        return add(name, **{"description": f"{text[:1].upper()}{text[1:]}.", **options})

    return described


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
        "sample_rate": {
            "type": int,
            "metavar": "HZ",
            "help": "of sounds, which are resampled; default: their lowest",
        },
        "length": {
            "type": int,
            "metavar": "N",
            "help": "samples of a sound or symbols of a sequence, of which the first are kept; "
            "shorter ones are filled with silence or padding; default: the longest",
        },
        "alphabet": {
            "metavar": "SYMBOLS",
            "help": "of sequences; those with others are left out; default: all that occur",
        },
        "padding": {
            "metavar": "SYMBOL",
            "help": "fills shorter sequences, or none; default: one that does not occur",
        },
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
    for finding in findings(data) if isinstance(data, Dataset) else ():
        sys.stderr.write(f"warning: {finding}\n")


def read_splits(
    options: argparse.Namespace, recorded: dict[str, Any] | None = None
) -> tuple[Dataset, Dataset]:
    """Load the splits "train" and "test"; recorded: the data options of a run."""
    return load_splits(options.data, data_options(options, recorded))


MAX_CREDITS = 1_000_000
CARD_FLAGS = (
    ("--data-name", "data", "name of the data"),
    ("--data-id", "data_id", "id of the data on the Hugging Face Hub, such as ylecun/mnist"),
    ("--data-license", "data_license", "licence of the data"),
    ("--license", "license", "licence of the model, e.g. cc-by-sa-3.0"),
    ("--limits", "limits", "what the model is known to do badly"),
)


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=positive, help="CPU threads; default: as recorded, or chosen by torch"
    )


def add_drop_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drop-weights",
        action="store_true",
        help="leave out weights.safetensors, which the run or the older version has already",
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
