"""A small run of task `translate`, on drawings of two styles with the same names."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirage.training.config import TrainConfig, build_config
from mirage.training.data.sources.pictures import PictureOptions
from mirage.training.data.sources.styles import StyleSet, load_styles
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from tests.training.drawings import drawing

SIDE = 20
TINY = {
    "widths": "8,8,8",
    "blocks": "1",
    "discriminator_widths": "8,8",
    "embedding": 8,
    "crop": 16,
    "batch_size": 4,
    "kimg": 0.008,
    "status_kimg": 0.004,
    "precision": "float32",
}


def tiny_config(**changes: Any) -> TrainConfig:
    return build_config("translate-small", TINY | changes)


def write_styles(folder: Path, count: int = 12) -> None:
    """Drawings in `source`, and the same darker and mirrored in `target`, and one more there."""
    for style in ("source", "target"):
        (folder / style).mkdir(parents=True)
        for number in range(count):
            pixels = drawing(number, SIDE)
            if style == "target":
                pixels = (pixels[:, ::-1] // 2).astype(np.uint8)
            Image.fromarray(pixels).save(folder / style / f"{number}.png")
    Image.fromarray(drawing(count, SIDE)).save(folder / "target" / "alone.png")


def style_set(folder: Path, paired: bool = False, held_out: float = 30) -> StyleSet:
    if not folder.exists():
        write_styles(folder)
    paths = str(folder / "source"), str(folder / "target")
    return load_styles(*paths, PictureOptions(held_out=held_out), 16, paired)


def trained_translator(folder: Path, **changes: Any) -> Run:
    config = tiny_config(**changes)
    return train(config, style_set(folder / "data", config.paired), folder / "run", 1)
