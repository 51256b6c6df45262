"""Flags that several commands share, and what is made of them."""

import argparse
from pathlib import Path

from training.card import Card
from training.config import TrainConfig, build_config
from training.errors import UsageError
from training.presets import PRESETS

CARD_FLAGS = (
    ("--data-name", "data", "what the data are"),
    ("--data-license", "data_license", "the licence of the data"),
    ("--license", "license", "the licence of the model, e.g. cc-by-sa-3.0"),
)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """What is trained, on what, for how long."""
    parser.add_argument("--data", type=Path, required=True, help="IDX files or a folder of images")
    parser.add_argument("--preset", default="mnist", help=f"one of {', '.join(sorted(PRESETS))}")
    parser.add_argument("--kimg", type=float, help="thousands of images to train for")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    add_threads(parser)


def config_of(options: argparse.Namespace) -> TrainConfig:
    """The configuration that the flags of `add_recipe` ask for; raises UsageError."""
    changes = dict(_change(text) for text in options.changes)
    if options.kimg is not None:
        changes["kimg"] = options.kimg
    return build_config(options.preset, changes)


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
