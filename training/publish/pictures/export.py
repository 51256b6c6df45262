"""The averaged network of a snapshot -> ONNX, checked whole and in tiles."""

from typing import Any

import numpy as np
import torch
from torch import nn

from mirage.bundle.format.golden import Case, Golden, golden_pictures, golden_tile
from mirage.bundle.format.interface import picture_tensors
from mirage.bundle.format.manifest import Description, PictureModel, Score
from mirage.training.config import TrainConfig
from mirage.training.errors import ExportError
from mirage.training.evaluation.picture_graph import Convert, open_picture_graph
from mirage.training.publish.bundle_contents import training_of
from mirage.training.publish.onnx_graph import GOLDEN_TOLERANCE, OPSET, to_onnx
from mirage.training.runs.checkpoint import PictureSnapshot, ServedPictures

MAX_IMAGES, MAX_SIDE = 65_536, 65_536


def export_picture_network(snapshot: PictureSnapshot) -> bytes:
    """The served graph of a snapshot, in one file without external data."""
    architecture = snapshot.architecture
    return export_network(snapshot.network, architecture.channels, architecture.multiple)


def export_network(network: nn.Module, channels: int, multiple: int = 1) -> bytes:
    """A network of pictures in [-1, 1] as a graph of uint8 pictures of any number and size.

    multiple: of which the sides of pictures are.
    """
    sizes = {0: ("N", MAX_IMAGES, 1), 1: ("H", MAX_SIDE, multiple), 2: ("W", MAX_SIDE, multiple)}
    free = {axis: _free_axis(*size) for axis, size in sizes.items()}
    pictures = torch.zeros(2, 24, 32, channels, dtype=torch.uint8)
    return to_onnx(ServedPictures(network).eval(), {"pictures": pictures}, free)


def _free_axis(name: str, most: int, multiple: int) -> torch.export.Dim:
    axis = torch.export.Dim(name, min=1, max=most // multiple)
    return axis if multiple == 1 else multiple * axis


def make_golden(snapshot: PictureSnapshot) -> Golden:
    """The images that PyTorch makes of the golden pictures."""
    architecture = snapshot.architecture
    pictures = golden_pictures(architecture.channels, architecture.multiple)
    return Golden(tuple(Case({"pictures": each}, snapshot.convert(each)) for each in pictures))


def check_picture_graph(model: bytes, golden: Golden, form: PictureModel) -> int:
    """Replay golden pictures in onnxruntime; answers the largest difference to PyTorch seen.

    Raises ExportError when a value differs by more than one grey level, and when the largest
    picture, cut into tiles, comes out other than whole by a single bit.
    """
    run = open_picture_graph(model)
    worst = 0
    for case in golden.cases:
        (picture,) = case.inputs.values()
        difference = np.abs(run(picture).astype(int) - case.output)
        worst = max(worst, int(difference.max()))
    if worst > GOLDEN_TOLERANCE:
        raise ExportError(
            f"onnxruntime differs from PyTorch by {worst} grey levels on golden pictures; "
            f"at most {GOLDEN_TOLERANCE:g} is allowed, so nothing was published"
        )
    (largest,) = golden.cases[-1].inputs.values()
    _check_tiles(run, largest, form)
    return worst


def _check_tiles(run: Convert, picture: np.ndarray, form: PictureModel) -> None:
    differing = int((run_in_tiles(run, picture, form) != run(picture)).sum())
    if differing:
        raise ExportError(
            f"{differing} of {picture.size * form.scale**2} values differ between a picture cut "
            f"into tiles with a halo of {form.halo} pixels and the same whole; none may, so "
            "nothing was published"
        )


def run_in_tiles(run: Convert, picture: np.ndarray, form: PictureModel) -> np.ndarray:
    """The image of a picture [1, H, W, C], made of its golden tiles, all of them in one batch."""
    side, halo, scale = golden_tile(form), form.halo, form.scale
    _, height, width, channels = picture.shape
    step = (side - 2 * halo) // form.multiple * form.multiple
    rows, columns = _starts(height, side, step), _starts(width, side, step)
    places = [(y, x) for y in rows for x in columns]
    tiles = np.concatenate([picture[:, y : y + side, x : x + side] for y, x in places])
    image = np.zeros((1, scale * height, scale * width, channels), np.uint8)
    for (y, x), tile in zip(places, run(tiles), strict=True):
        top, left = halo if y else 0, halo if x else 0  # the next tiles cover the other two halos
        y_end, x_end = scale * (y + side), scale * (x + side)
        used = tile[scale * top :, scale * left :]
        image[0, scale * (y + top) : y_end, scale * (x + left) : x_end] = used
    return image


def _starts(length: int, side: int, step: int) -> list[int]:
    """Where tiles begin that cover an axis; one that is no longer than a tile has one."""
    return [*range(0, length - side, step), max(0, length - side)]


def describe_picture_network(
    snapshot: PictureSnapshot, config: TrainConfig, data: dict[str, Any], scores: dict[str, Score]
) -> Description:
    """The manifest of a run's snapshot; data: the run's data sheet."""
    architecture = snapshot.architecture
    return Description(
        task=config.task,
        opset=OPSET,
        labels=(),
        **picture_tensors(architecture.channels, architecture.scale),
        truncation="scale",
        golden_tolerance=GOLDEN_TOLERANCE,
        training=training_of(config, data, snapshot.nimg),
        scores=scores,
        directions=(),
        sound=None,
        sequence=None,
        pictures=PictureModel(
            scale=architecture.scale,
            multiple=architecture.multiple,
            halo=snapshot.network.radius,
            border="replicate",
            degradation=_degradation(config),
        ),
    )


def _degradation(config: TrainConfig) -> str:
    return "none" if config.task == "translate" else ", ".join(("bicubic", *config.degrade))
