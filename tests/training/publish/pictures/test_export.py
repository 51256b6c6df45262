"""The graph of task `upscale`: what PyTorch makes, at every size, in tiles or whole."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from mirage.bundle.format.graph import OPERATORS
from mirage.bundle.format.manifest import PictureModel
from mirage.training.errors import ExportError
from mirage.training.evaluation.picture_graph import open_picture_graph
from mirage.training.networks.compact import Upscaler
from mirage.training.publish.pictures.export import (
    check_picture_graph,
    export_picture_network,
    make_golden,
    run_in_tiles,
)
from mirage.training.runs.checkpoint import PictureSnapshot
from tests.training.drawings import drawing
from tests.training.networks.test_compact import architecture, trained_like

SIZES = [(1, 1), (3, 1), (5, 3), (37, 61), (48, 48), (65, 33)]


@pytest.fixture(scope="module")
def snapshot() -> PictureSnapshot:
    return PictureSnapshot(Path("x"), architecture(), trained_like(), 0)


@pytest.fixture(scope="module")
def session(snapshot: PictureSnapshot) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = export_picture_network(snapshot)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, pictures: np.ndarray) -> np.ndarray:
    (images,) = session.run(["images"], {"pictures": pictures})
    return images


def test_the_graph_takes_pictures_of_any_number_and_size(
    session: onnxruntime.InferenceSession,
) -> None:
    (taken,), (made,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == (
        "pictures",
        "tensor(uint8)",
        ["N", "H", "W", 3],
    )
    assert (made.name, made.type) == ("images", "tensor(uint8)")
    assert made.shape[0] == "N"
    assert made.shape[3] == 3


def test_the_graph_has_no_other_operators_than_bundles_may_hold(snapshot: PictureSnapshot) -> None:
    graph = onnx.load_model_from_string(export_picture_network(snapshot)).graph
    assert {node.op_type for node in graph.node} <= OPERATORS
    assert len(graph.node) < 40


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 3])
def test_onnxruntime_makes_what_pytorch_makes(
    snapshot: PictureSnapshot,
    session: onnxruntime.InferenceSession,
    size: tuple[int, int],
    count: int,
) -> None:
    pictures = np.stack([drawing(k, 72)[: size[0], : size[1]] for k in range(count)])
    found, wanted = run(session, pictures), snapshot.convert(pictures)
    assert found.shape == wanted.shape
    difference = np.abs(found.astype(int) - wanted)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3


@pytest.mark.parametrize("tile", [16, 32, 50])
def test_tiles_with_a_halo_are_the_whole_picture_to_the_bit(
    snapshot: PictureSnapshot, session: onnxruntime.InferenceSession, tile: int
) -> None:
    picture, radius = drawing(9, 120)[:, :97], snapshot.network.radius
    whole = run(session, picture[None])[0]
    made = np.zeros_like(whole)
    for y in range(0, 120, tile):
        for x in range(0, 97, tile):
            top, left = max(0, y - radius), max(0, x - radius)
            around = picture[top : y + tile + radius, left : x + tile + radius]
            large = run(session, np.ascontiguousarray(around)[None])[0]
            inner = large[4 * (y - top) :, 4 * (x - left) :][: 4 * tile, : 4 * tile]
            made[4 * y : 4 * (y + tile), 4 * x : 4 * (x + tile)] = inner
    assert np.array_equal(made, whole)


@pytest.mark.parametrize("scale", [2, 3])
def test_other_scales_are_exported_too(scale: int) -> None:
    torch.manual_seed(0)
    upscaler = Upscaler(architecture(scale=scale)).eval()
    snapshot = PictureSnapshot(Path("x"), architecture(scale=scale), upscaler, 0)
    session = onnxruntime.InferenceSession(
        export_picture_network(snapshot), providers=["CPUExecutionProvider"]
    )
    pictures = drawing(1, 20)[None]
    assert np.abs(run(session, pictures).astype(int) - snapshot.convert(pictures)).max() <= 1


def form(halo: int) -> PictureModel:
    return PictureModel(scale=4, multiple=1, halo=halo, border="replicate", degradation="bicubic")


def test_a_graph_that_makes_pytorchs_images_whole_and_in_tiles_passes(
    snapshot: PictureSnapshot,
) -> None:
    golden = make_golden(snapshot)
    model = export_picture_network(snapshot)
    assert check_picture_graph(model, golden, form(snapshot.network.radius)) <= 1


def test_a_halo_that_is_too_small_is_refused(snapshot: PictureSnapshot) -> None:
    with pytest.raises(ExportError, match=r"values differ .* with a halo of 1 pixels"):
        check_picture_graph(export_picture_network(snapshot), make_golden(snapshot), form(1))


def test_a_graph_of_another_network_is_refused(snapshot: PictureSnapshot) -> None:
    other = PictureSnapshot(Path("x"), architecture(), Upscaler(architecture()).eval(), 0)
    with pytest.raises(ExportError, match="onnxruntime differs from PyTorch by"):
        check_picture_graph(export_picture_network(other), make_golden(snapshot), form(6))


@pytest.mark.parametrize("size", [(129, 97), (97, 130), (28, 129), (20, 20)])
def test_golden_tiles_cover_the_picture(snapshot: PictureSnapshot, size: tuple[int, int]) -> None:
    picture = drawing(2, 130)[None, : size[0], : size[1]]
    upscale = open_picture_graph(export_picture_network(snapshot), 1)
    made = run_in_tiles(upscale, picture, form(snapshot.network.radius))
    np.testing.assert_array_equal(made, upscale(picture))
