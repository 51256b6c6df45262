"""Graphs converted to float16, run on the CPU provider."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from mirage.bundle.format.latents import draw_latents
from mirage.service.engines.graph_precision import in_float16
from tests.bundles import DIGITS

SHIPPED = Path(__file__).parents[3] / "models" / "mnist" / "2" / "model.onnx"


def images(model: bytes, count: int, latent_dim: int) -> NDArray[np.uint8]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    latents, labels = draw_latents(1, 0, count, latent_dim, 10)
    made = session.run(["images"], {"latents": latents, "labels": labels})[0]
    return np.asarray(made)


def test_the_images_differ_from_float32_only_by_rounding() -> None:
    model = SHIPPED.read_bytes()
    converted = in_float16(model)
    assert len(converted) < 0.51 * len(model)
    difference = np.abs(images(converted, 8, 64).astype(int) - images(model, 8, 64))
    assert difference.max() <= 2
    assert 0 < difference.mean() < 0.25


def test_the_conversion_to_pixel_values_stays_in_float32() -> None:
    graph = onnx.shape_inference.infer_shapes(
        onnx.load_model_from_string(in_float16(SHIPPED.read_bytes()))
    ).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    (rounded,) = (node for node in graph.node if node.op_type == "Round")
    assert types[rounded.input[0]] == TensorProto.FLOAT
    assert all(
        types[node.output[0]] == TensorProto.FLOAT16
        for node in graph.node
        if node.op_type in ("Conv", "ConvTranspose", "Gemm")
    )


def test_a_graph_without_convolutions_is_unchanged(models_root: Path) -> None:
    model = (models_root / "toy/1/model.onnx").read_bytes()
    latents, labels = draw_latents(3, 0, 4, 5, len(DIGITS))
    made = [
        onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]).run(
            ["images"], {"latents": latents, "labels": labels}
        )[0]
        for each in (model, in_float16(model))
    ]
    np.testing.assert_array_equal(*made)
