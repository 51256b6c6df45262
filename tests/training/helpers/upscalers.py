"""Runs of task `upscale` that take a second, and their bundles."""

from pathlib import Path
from typing import Any

from mirage.training.config import TrainConfig, build_config
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.publish.model_card import ModelCard
from mirage.training.publish.pictures.publish import publish_pictures
from mirage.training.runs.checkpoint import load_picture_network
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from tests.training.drawings import TINY_UPSCALE, drawings


def upscale_config(**changes: Any) -> TrainConfig:
    """A run of a few steps."""
    return build_config("photo-x4", {**TINY_UPSCALE, "kimg": 0.016, **changes})


def picture_set(folder: Path) -> PictureSet:
    """Three drawings to train on and three held out, in `folder`, made when it is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    return drawings(folder)


def trained_run(folder: Path, data: PictureSet, **changes: Any) -> Run:
    return train(upscale_config(**changes), data, folder, threads=1)


def publish_run(run: Run, to: Path, card: ModelCard | None = None) -> Path:
    """Its last snapshot as the next version of the model folder `to`."""
    config, data = run.read_config()
    snapshot = load_picture_network(run.latest_snapshot())
    return publish_pictures(snapshot, config, data, to, card or ModelCard())
