"""The command `evaluate` for runs and bundles of task `upscale`."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from PIL import Image

from mirage.bundle.format.verify import load_bundle
from mirage.training.cli.picture_flags import options_of_bundle, picture_options
from mirage.training.data.degradation import DEGRADATIONS
from mirage.training.data.sources.pictures import Picture, PictureSet, load_pictures
from mirage.training.errors import DataError, UsageError
from mirage.training.evaluation.picture_graph import single_pictures
from mirage.training.evaluation.restoration import (
    Enlarge,
    comparison_sheet,
    degraded_by,
    restoration_file,
    score_restoration,
    table,
    write_card,
)
from mirage.training.runs.checkpoint import load_picture_network
from mirage.training.runs.initial_weights import is_bundle
from mirage.training.runs.run_dir import Run

LEAST_SIDE = 48
"""Smallest side of a picture in pixels; larger than the window of SSIM at every scale."""


@dataclass(frozen=True)
class _Upscaler:
    """An upscaler to score.

    degrade: degradations that it was trained on. data_options: of its training data. snapshot: None
    for bundles.
    """

    name: str
    enlarge: Enlarge
    scale: int
    degrade: tuple[str, ...]
    data_fingerprint: str
    data_options: dict[str, Any]
    snapshot: Path | None


def evaluate_upscaler(options: argparse.Namespace) -> Iterator[str]:
    """Score an upscaler on the held-out pictures of its data, or on all pictures of other data.

    With --held-out only the held-out pictures of other data are scored, which allows a comparison
    with a model trained on the others. The low resolution is degraded as in training, or as
    --degrade says. Writes scores and a sheet of pictures to --to, by default
    beside the snapshot of a run.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    model = (_of_bundle if is_bundle(options.source) else _of_run)(options)
    recorded = picture_options(options, model.data_options)
    least = (LEAST_SIDE // model.scale, LEAST_SIDE)
    data = load_pictures(options.data, recorded, least, options.low)
    own = data.fingerprint == model.data_fingerprint
    held_out = own or "held_out" in options
    pictures = _only(options.only, data.held_out if held_out else data.all)
    names = model.degrade if options.degrade is None else options.degrade
    card = score_restoration(model.enlarge, pictures, model.scale, data.fingerprint, names)
    kind = f"{'held-out' if held_out else 'other'} pictures{_reduced(data)}{degraded_by(names)}"
    yield f"{len(pictures)} {kind}, {model.name}"
    yield from table(card)
    file = options.to
    if file is None and model.snapshot:
        file = restoration_file(model.snapshot, _set_name(options, names))
    if file:
        write_card(file, card)
        sheet = comparison_sheet(model.enlarge, pictures, card.worst, model.scale, names)
        Image.fromarray(sheet.squeeze()).save(file.with_suffix(".png"))
        yield f"{file} and {file.with_suffix('.png').name}"


def _of_run(options: argparse.Namespace) -> _Upscaler:
    run = Run(options.source)
    config, sheet = run.read_config()
    snapshot = load_picture_network(run.latest_snapshot())
    return _Upscaler(
        name=f"{config.preset}, {snapshot.nimg / 1000:g} kimg",
        enlarge=lambda low: snapshot.convert(low[None])[0],
        scale=snapshot.architecture.scale,
        degrade=config.degrade,
        data_fingerprint=sheet["fingerprint"],
        data_options=sheet["options"],
        snapshot=snapshot.path,
    )


def _of_bundle(options: argparse.Namespace) -> _Upscaler:
    bundle = load_bundle(options.source)
    manifest = bundle.manifest
    if manifest.pictures is None:  # for type checking: `evaluate` dispatches on the task
        raise UsageError(f"{options.source} is of task {manifest.task}, which has no pictures")
    return _Upscaler(
        name=f"{manifest.name}@{manifest.version}",
        enlarge=single_pictures(bundle.model, options.threads or 0),
        scale=manifest.pictures.scale,
        degrade=tuple(n for n in manifest.pictures.degradation.split(", ") if n in DEGRADATIONS),
        data_fingerprint=manifest.training.data_fingerprint,
        data_options=options_of_bundle(manifest),
        snapshot=None,
    )


def _only(prefix: str, pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures whose names start with a prefix; raises DataError if there are none."""
    chosen = [picture for picture in pictures if picture.name.startswith(prefix)]
    if not chosen:
        raise DataError(f"--only is {prefix}; no picture has that prefix")
    return chosen


def _reduced(data: PictureSet) -> str:
    factors = data.options.shrink
    return "" if factors == (1,) else f", reduced by {', '.join(map(str, factors))}"


def _set_name(options: argparse.Namespace, degradations: Sequence[str]) -> str:
    """The part of the file name that identifies the set of pictures."""
    words = [Path(options.data).stem, *PurePosixPath(options.only).parts, *degradations]
    return "-".join(words).replace(".", "-")
