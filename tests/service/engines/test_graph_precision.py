"""Weights in float32, and splitting graphs before their first convolution."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.verify import load_bundle
from mirage.service.engines.graph_precision import cut_before_convolutions, with_float32_weights

SHIPPED = Path(__file__).parents[3] / "models/mnist/2"
HEAD = '<ir_version: 10, opset_import: ["" : 20]>'


def model_of(text: str) -> bytes:
    """Parse a model in ONNX's textual notation."""
    parsed = onnx.parser.parse_model(f"{HEAD}\n{text}")
    onnx.checker.check_model(parsed)
    return bytes(parsed.SerializeToString())


def outputs(model: bytes, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def operators(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_model_from_string(model).graph.node]


HALVES = """
generator (float[N, 2] latents) => (float[N, 2] images)
<float16[2, 2] half = {15360, 16384, 16896, 17536}, float[2] bias = {1, 2}>
{
    weight = Cast<to: int = 1>(half)
    images = Gemm(latents, weight, bias)
}
"""


def test_float16_weights_become_float32_of_the_same_values() -> None:
    model = model_of(HALVES)
    widened = with_float32_weights(model)
    onnx.checker.check_model(widened, full_check=True)
    assert operators(widened) == ["Gemm"]
    kinds = {each.name: each.data_type for each in graph_of(widened).initializer}
    assert kinds == {"half": onnx.TensorProto.FLOAT, "bias": onnx.TensorProto.FLOAT}
    feed = {"latents": np.array([[1, 10], [0.3, -7]], np.float32)}
    assert np.array_equal(outputs(widened, feed)["images"], outputs(model, feed)["images"])


def test_a_graph_of_float32_weights_is_not_changed() -> None:
    model = load_bundle(SHIPPED).model
    assert with_float32_weights(model) is model


def test_both_parts_in_sequence_compute_the_same_as_the_whole() -> None:
    bundle = load_bundle(SHIPPED)
    parts = cut_before_convolutions(bundle.model)
    assert parts is not None
    latents, labels = draw_latents(1, 0, 3, bundle.manifest.latent_dim, 10)
    assert labels is not None
    feed = found = {"latents": latents, "labels": labels}
    for part in parts:
        onnx.checker.check_model(part, full_check=True)
        found = outputs(part, found)
    whole = outputs(bundle.model, feed)
    assert np.array_equal(found["images"], whole["images"])
    assert "Gemm" in operators(parts[0])
    assert not {"Gemm", "MatMul"} & set(operators(parts[1]))


def test_each_part_has_only_the_weights_that_it_uses() -> None:
    model = load_bundle(SHIPPED).model
    parts = cut_before_convolutions(model)
    assert parts is not None
    names = [{tensor.name for tensor in graph_of(part).initializer} for part in parts]
    assert names[0] | names[1] == {tensor.name for tensor in graph_of(model).initializer}
    assert sum(map(len, parts)) < 1.01 * len(model)


def graph_of(model: bytes) -> onnx.GraphProto:
    return onnx.load_model_from_string(model).graph


def test_constants_are_copied_to_the_parts_that_use_them() -> None:
    model = model_of("""
        shared (float[N, 1, 2, 2] latents) => (float[N, 1, 2, 2] images)
        <float[1, 1, 1, 1] w = {3.0}> {
            two = Constant <value_float = 2.0> ()
            doubled = Mul (latents, two)
            maps = Conv (doubled, w)
            images = Mul (maps, two)
        }""")
    parts = cut_before_convolutions(model)
    assert parts is not None
    latents = {"latents": np.ones((1, 1, 2, 2), np.float32)}
    halfway = outputs(parts[0], latents)
    assert [float(value.max()) for value in halfway.values()] == [2]
    assert outputs(parts[1], halfway)["images"].max() == 12


@pytest.mark.parametrize(
    "nodes",
    [
        "images = Neg (latents)",
        "images = Conv (latents, w)",
        "maps = Neg (latents)  made = Conv (maps, w)  images = Add (made, latents)",
        "maps = Neg (latents)  more = Neg (maps)  made = Conv (more, w)  images = Add (made, maps)",
    ],
    ids=["no convolution", "nothing before", "inputs again", "earlier values again"],
)
def test_a_graph_that_cannot_be_split_at_one_value_is_not_split(nodes: str) -> None:
    model = model_of(f"""
        left (float[N, 1, 2, 2] latents) => (float[N, 1, 2, 2] images)
        <float[1, 1, 1, 1] w = {{3.0}}> {{ {nodes} }}""")
    assert cut_before_convolutions(model) is None
