"""Evaluation of a run of task `upscale`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from mirage.training.cli.flags import picture_options
from mirage.training.data.sources.pictures import Picture, load_pictures
from mirage.training.errors import DataError
from mirage.training.evaluation.restoration import (
    comparison_sheet,
    score_restoration,
    table,
    write_card,
)
from mirage.training.runs.checkpoint import load_upscaler
from mirage.training.runs.run_dir import Run

LEAST_SIDE = 48
"""Pixels of a picture that can be scored: a window of SSIM and more, at every scale."""


def evaluate_upscaler(options: argparse.Namespace) -> Iterator[str]:
    """Score a run's last snapshot on its own held-out pictures, or on all of other ones.

    Writes the scores beside the snapshot, unless --to says where.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    run = Run(options.candidate)
    config, sheet = run.read_config()
    snapshot = load_upscaler(run.latest_snapshot())
    scale = snapshot.architecture.scale
    recorded = picture_options(options, sheet["options"])
    data = load_pictures(options.data, recorded, (LEAST_SIDE // scale, LEAST_SIDE), options.low)
    own = data.fingerprint == sheet["fingerprint"]
    pictures = _only(options.only, data.held_out if own else data.all)

    def enlarge(low: np.ndarray) -> np.ndarray:
        return snapshot.enlarge(low[None])[0]

    card = score_restoration(enlarge, pictures, scale, data.fingerprint)
    file = options.to or snapshot.path.with_suffix(f".{_set_name(options)}.restoration.json")
    write_card(file, card)
    sheet_file = file.with_suffix(".png")
    Image.fromarray(comparison_sheet(enlarge, pictures, card.worst, scale)).save(sheet_file)
    yield (
        f"{len(pictures)} {'held-out' if own else 'other'} pictures, {config.preset}, "
        f"{snapshot.nimg / 1000:g} kimg"
    )
    yield from table(card)
    yield f"{file} and {sheet_file.name}"


def _only(prefix: str, pictures: Sequence[Picture]) -> list[Picture]:
    """Those whose names begin so; raises DataError when there are none."""
    chosen = [picture for picture in pictures if picture.name.startswith(prefix)]
    if not chosen:
        raise DataError(f"--only is {prefix}; no picture to be scored begins so")
    return chosen


def _set_name(options: argparse.Namespace) -> str:
    """What a set of pictures is called in the name of a file."""
    words = [Path(options.data).stem, *PurePosixPath(options.only).parts]
    return "-".join(words).replace(".", "-")
