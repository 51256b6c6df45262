"""The command `evaluate` for runs and bundles of task `translate`."""

import argparse
from collections.abc import Iterator

import numpy as np
import torch

from mirage.bundle.format.verify import load_bundle
from mirage.training.cli.picture_flags import options_of_bundle, picture_options
from mirage.training.data.sources.styles import load_styles
from mirage.training.evaluation.picture_graph import single_pictures
from mirage.training.evaluation.translation import (
    score_translation,
    table,
    translation_file,
    write_card,
)
from mirage.training.runs.checkpoint import load_picture_network
from mirage.training.runs.initial_weights import is_bundle
from mirage.training.runs.run_dir import Run

LEAST_SIDE = 8
"""Smallest side of a picture in pixels: one patch, and two of the coarsest pixels."""


def evaluate_translator(options: argparse.Namespace) -> Iterator[str]:
    """Score a translator on the held-out pictures.

    Writes scores and a sheet of pictures to --to, by default beside the snapshot of a run.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    file, recorded = options.to, {}
    if is_bundle(options.source):
        bundle = load_bundle(options.source)
        name = f"{bundle.manifest.name}@{bundle.manifest.version}"
        convert = single_pictures(bundle.model, options.threads or 0)
        recorded = options_of_bundle(bundle.manifest)
    else:
        run = Run(options.source)
        config, sheet = run.read_config()
        snapshot = load_picture_network(run.latest_snapshot())
        name, recorded = f"{config.preset}, {snapshot.nimg / 1000:g} kimg", sheet["options"]
        file = file or translation_file(snapshot.path)

        def convert(picture: np.ndarray) -> np.ndarray:
            return snapshot.convert(picture[None])[0]

    data = load_styles(
        options.source_pictures,
        options.target_pictures,
        picture_options(options, recorded),
        LEAST_SIDE,
        paired=False,
    )
    card, pictures = score_translation(convert, data)
    yield name
    yield from table(card)
    if file:
        write_card(file, card, pictures)
        yield f"{file} and {file.with_suffix('.png').name}"
