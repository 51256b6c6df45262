"""The parts of a run's report that depend on the task."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirage.training.evaluation.restoration import COLUMNS, degraded_by, read_card
from mirage.training.evaluation.translation import COLUMNS as STYLE_COLUMNS
from mirage.training.evaluation.translation import read_card as read_translation_card
from mirage.training.evaluation.translation import translation_file
from mirage.training.media.reading import medium_of
from mirage.training.report.images import still_of
from mirage.training.report.page import grid, pictures

Sheet = dict[str, Any]


@dataclass(frozen=True)
class About:
    """Functions of the run's description of its data, and of the snapshot.

    facts: key figures. data: rows of the table about the data. side: the longer side of one image
    in the sample grid, in pixels. grid: caption of the grid. film: caption of the animation.
    scores: HTML of scores that are not in the scorecard.
    """

    facts: Callable[[Sheet], dict[str, str]]
    data: Callable[[Sheet], dict[str, str]]
    side: Callable[[Sheet], int]
    grid: Callable[[Sheet], str]
    film: str
    scores: Callable[[Path], str]


def _image_facts(sheet: Sheet) -> dict[str, str]:
    medium = medium_of(sheet)
    return {
        f"{medium.noun} trained on": f"{sheet['images']:,}",
        **medium.summary(),
        "classes": str(len(sheet["classes"]) or "none"),
    }


def _image_grid(sheet: Sheet) -> str:
    """The labels of the grid's samples count up through the classes."""
    columns = medium_of(sheet).columns
    classes = len(sheet["classes"])
    if not classes:
        return "A hundred samples."
    if columns != 10 or classes < 10:
        return f"A hundred samples; the {classes} classes take turns."
    return "One class per column." if classes == 10 else "The first ten classes, one per column."


def _image_data(sheet: Sheet) -> dict[str, str]:
    medium = medium_of(sheet)
    classes = sheet["classes"]
    listed = ", ".join(classes[:40]) + (" …" if len(classes) > 40 else "")
    return {
        medium.noun: f"{sheet['images']:,}",
        "shape": medium.shape_text,
        "classes": f"{len(classes)}: {listed}" if classes else "none",
        "fingerprint": sheet["fingerprint"],
    }


def _picture_facts(sheet: Sheet) -> dict[str, str]:
    return {
        "pictures trained on": f"{sheet['images']:,}",
        "megapixels": f"{sheet['pixels'] / 1e6:.1f}",
        "pictures held out": f"{sheet['held_out']:,}",
    }


def _picture_data(sheet: Sheet) -> dict[str, str]:
    options = sheet["options"]
    return {
        "pictures": f"{sheet['images']:,}, and {sheet['held_out']:,} held out",
        "reduced by": ", ".join(map(str, options["shrink"])),
        "fingerprint": sheet["fingerprint"],
    }


def _style_facts(sheet: Sheet) -> dict[str, str]:
    return {
        "sources trained on": f"{sheet['images']:,}",
        "targets trained on": f"{sheet['targets']:,}",
        "pictures held out": f"{sheet['held_out']:,}",
    }


def _style_data(sheet: Sheet) -> dict[str, str]:
    return {
        "sources": f"{sheet['images']:,}, and {sheet['held_out']:,} held out",
        "targets": f"{sheet['targets']:,}",
        "held-out twins": f"{sheet['twins']:,}",
        "fingerprint": sheet["fingerprint"],
    }


def _translation(snapshot: Path) -> str:
    """A table and a sheet of pictures, if the snapshot was scored."""
    file = translation_file(snapshot)
    card = read_translation_card(file)
    if card is None:
        return ""
    rows = (
        (name.replace("_", " "), *(_cell(card.scores[method].get(name)) for method in card.scores))
        for name in STYLE_COLUMNS
    )
    caption = f"{card.pictures} pictures: source, translation, twin; the worst come last."
    shown = pictures({caption: still_of(file.with_suffix(".png"), caption)}, 1024)
    return grid(("score", *card.scores), rows) + shown


def _restoration(snapshot: Path) -> str:
    """A table and a sheet of pictures for each set that the snapshot was scored on."""
    return "".join(
        map(_scored_on, sorted(snapshot.parent.glob(f"{snapshot.stem}.*.restoration.json")))
    )


def _scored_on(file: Path) -> str:
    card = read_card(file)
    rows = (
        (name.replace("_", " "), *(_cell(card.scores[method].get(name)) for method in card.scores))
        for name in COLUMNS
    )
    name = file.name.split(".")[1]
    caption = (
        f"{name}, {card.pictures} pictures{degraded_by(card.degrade)}. Columns: low resolution, "
        "bicubic, the model, the original. The first row has the smallest gain over bicubic: "
        f"{card.worst}, {card.worst_gain:+.2f} dB"
    )
    sheet = file.with_suffix(".png")
    shown = pictures({caption: still_of(sheet, caption)}, 256) if sheet.exists() else ""
    return grid(("score", *card.scores), rows) + shown


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


ABOUT = {
    "generate": About(
        facts=_image_facts,
        data=_image_data,
        side=lambda sheet: max(medium_of(sheet).picture_size),
        grid=_image_grid,
        film="The same latents during training",
        scores=lambda snapshot: "",
    ),
    "upscale": About(
        facts=_picture_facts,
        data=_picture_data,
        side=lambda sheet: 128,
        grid=lambda sheet: "Held-out pictures: low resolution, bicubic, the model, the original.",
        film="The same pictures during training",
        scores=_restoration,
    ),
    "translate": About(
        facts=_style_facts,
        data=_style_data,
        side=lambda sheet: 128,
        grid=lambda sheet: "Held-out pictures: source, translation and, if there is one, twin.",
        film="The same pictures during training",
        scores=_translation,
    ),
}
