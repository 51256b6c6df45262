"""Graphs of upsamplings, before and after the rewrite."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from mirage.service.engines.polyphase import decompose
from tests.bundles import IR_VERSION, OPSET

INPUTS = 3  # channels of the first map
UPSAMPLING = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1, 1, 1, 1]}
FIRST = helper.make_node("Neg", ["latents"], ["map"])  # computes the first map
Sizes = tuple[int, int]


@dataclass(frozen=True)
class Upsampling:
    """A chain of upsamplings, and a convolution from the last map to an image.

    `widths` are the channels after each upsampling; without `channels` there is no image.
    """

    sizes: Sizes = (4, 4)
    widths: tuple[int, ...] = (32,)
    channels: int = 3
    activation: str = "LeakyRelu"
    bias: bool = True
    known: bool = True  # whether the graph states the sizes

    def model(self) -> ModelProto:
        """Build a graph from `latents` to `images`, float32 `[N, channels, height, width]`."""
        rng = np.random.default_rng(0)
        nodes, constants, name, inputs = [FIRST], [], "map", INPUTS
        layers = [("ConvTranspose", width, 4, UPSAMPLING) for width in self.widths]
        if self.channels:
            layers.append(("Conv", self.channels, 3, {"pads": [1, 1, 1, 1]}))
        for number, (operator, outputs, side, attributes) in enumerate(layers):
            shape = (inputs, outputs) if operator == "ConvTranspose" else (outputs, inputs)
            arrays = [rng.normal(0, 0.5, (*shape, side, side)), rng.normal(0, 0.5, outputs)]
            names = [f"weight{number}", f"bias{number}"][: 1 + self.bias]
            constants += map(constant, names, arrays)
            made = f"{operator}{number}"
            nodes.append(helper.make_node(operator, [name, *names], [made], made, **attributes))
            name, inputs = made, outputs
            if self.activation and operator == "ConvTranspose":
                name = f"active{number}"
                nodes.append(helper.make_node(self.activation, [made], [name], name))
        nodes[-1].output[0] = "images"
        sizes = self.sizes if self.known else ("H", "W")
        return model_of(nodes, constants, ["N", INPUTS, *sizes])


def constant(name: str, value: Any) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value, np.float32), name)


def model_of(nodes: list[Any], constants: list[TensorProto], shape: list[Any]) -> ModelProto:
    source = helper.make_tensor_value_info("latents", TensorProto.FLOAT, shape)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [None] * 4)
    graph = helper.make_graph(nodes, "upsampling", [source], [images], constants)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def run(model: bytes, maps: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"latents": maps})


def maps_of(sizes: Sizes, count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.standard_normal((count, INPUTS, *sizes), dtype=np.float32)


def operators(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_model_from_string(model).graph.node]


def rewritten(model: ModelProto, sizes: Sizes = (4, 4)) -> bytes:
    """The rewritten model: another one, valid, and it computes the same."""
    raw = model.SerializeToString()
    found = decompose(raw)
    assert found != raw
    onnx.checker.check_model(found, full_check=True)
    assert_same(raw, found, sizes)
    return found


def assert_same(raw: bytes, found: bytes, sizes: Sizes) -> None:
    maps = maps_of(sizes)
    for before, after in zip(run(raw, maps), run(found, maps), strict=True):
        assert before.std() > 0.1
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["LeakyRelu", "Relu", ""])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
@pytest.mark.parametrize("sizes", [(4, 4), (7, 7), (3, 5)])
def test_upsamplings_become_plain_convolutions_that_compute_the_same(
    sizes: Sizes, channels: int, activation: str, bias: bool
) -> None:
    upsampling = Upsampling(sizes, (32,), channels, activation, bias)
    assert "ConvTranspose" not in operators(rewritten(upsampling.model(), sizes))


@pytest.mark.parametrize("channels", [0, 1])
def test_chains_of_upsamplings_are_rewritten(channels: int) -> None:
    chain = Upsampling((3, 2), (40, 32), channels)
    assert "ConvTranspose" not in operators(rewritten(chain.model(), (3, 2)))


@pytest.mark.parametrize("sizes", [(1, 1), (20, 16)])
def test_an_image_is_computed_from_phases_for_any_size_and_channels(sizes: Sizes) -> None:
    found = operators(rewritten(Upsampling(sizes, (5,), 3).model(), sizes))
    assert "ConvTranspose" not in found
    assert "Transpose" not in found  # the larger map is never put together


def test_an_image_is_computed_from_phases_without_known_sizes() -> None:
    rewritten(Upsampling(known=False).model())


def test_upsamplings_that_would_not_be_faster_are_unchanged() -> None:
    for upsampling in (
        Upsampling(widths=(15,), channels=0),
        Upsampling(known=False, channels=0),
    ):
        raw = upsampling.model().SerializeToString()
        assert decompose(raw) is raw


def test_only_maps_with_enough_channels_are_rewritten() -> None:
    chain = Upsampling((10, 10), (16, 15), channels=0).model()
    assert operators(rewritten(chain, (10, 10))).count("ConvTranspose") == 1


def test_a_graph_without_upsamplings_is_unchanged() -> None:
    raw = Upsampling(widths=()).model().SerializeToString()
    assert decompose(raw) is raw


@pytest.mark.parametrize(
    ("side", "attributes"),
    [
        (4, {"strides": [1, 1]}),
        (4, {"strides": [2, 1]}),
        (4, {"pads": [0, 0, 0, 0]}),
        (4, {"pads": [0, 1, 2, 1]}),
        (4, {"dilations": [2, 2]}),
        (4, {"output_padding": [1, 1]}),
        (4, {"output_shape": [9, 9]}),
        (4, {"auto_pad": "SAME_UPPER", "pads": None}),
        (4, {"strides": None}),
        (3, {"kernel_shape": [3, 3]}),
        (2, {"kernel_shape": [2, 2], "pads": [0, 0, 0, 0]}),
        (5, {"kernel_shape": None, "pads": [2, 2, 2, 2], "output_padding": [1, 1]}),
    ],
)
def test_other_transposed_convolutions_are_unchanged(side: int, attributes: dict[str, Any]) -> None:
    chosen = {name: value for name, value in (UPSAMPLING | attributes).items() if value is not None}
    weights = np.ones((INPUTS, 32, side, side))
    node = helper.make_node("ConvTranspose", ["map", "weight"], ["images"], **chosen)
    raw = model_of(
        [FIRST, node], [constant("weight", weights)], ["N", INPUTS, 4, 4]
    ).SerializeToString()
    assert run(raw, maps_of((4, 4)))[0].shape[1] == 32  # it is a valid one
    assert decompose(raw) is raw


def test_grouped_convolutions_are_unchanged() -> None:
    weights = np.ones((INPUTS, 32, 4, 4))
    node = helper.make_node(
        "ConvTranspose", ["map", "weight"], ["images"], group=INPUTS, **UPSAMPLING
    )
    raw = model_of(
        [FIRST, node], [constant("weight", weights)], ["N", INPUTS, 4, 4]
    ).SerializeToString()
    assert decompose(raw) is raw


@pytest.mark.parametrize("parameter", ["weight0", "bias0"])
def test_convolutions_with_computed_parameters_are_unchanged(parameter: str) -> None:
    model = Upsampling(channels=0).model()
    for node in model.graph.node:
        node.input[:] = ["computed" if name == parameter else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Neg", [parameter], ["computed"]))
    raw = model.SerializeToString()
    assert decompose(raw) is raw


def test_default_attributes_may_be_absent() -> None:
    model = Upsampling().model()
    for node in model.graph.node:
        kept = [entry for entry in node.attribute if entry.name != "kernel_shape"]
        del node.attribute[:]
        node.attribute.extend(kept)
    assert "ConvTranspose" not in operators(rewritten(model))


def test_default_attributes_may_be_present() -> None:
    model = Upsampling().model()
    implied = {"auto_pad": "NOTSET", "dilations": [1, 1], "group": 1}
    for node in model.graph.node:
        if node.op_type.startswith("Conv"):
            node.attribute.extend(helper.make_attribute(*item) for item in implied.items())
    assert "ConvTranspose" not in operators(rewritten(model))


def test_parameters_may_be_constant_nodes_in_any_place() -> None:
    model = Upsampling().model()
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    for tensor in tensors:
        node = helper.make_node("Constant", [], [tensor.name], value=tensor)
        at = next(i for i, user in enumerate(model.graph.node) if tensor.name in user.input)
        model.graph.node.insert(at, node)
    assert "ConvTranspose" not in operators(rewritten(model))


def test_an_empty_bias_name_means_no_bias() -> None:
    model = Upsampling(bias=False).model()
    for node in model.graph.node:
        if node.op_type.startswith("Conv"):
            node.input.append("")
    assert "ConvTranspose" not in operators(rewritten(model))


def use_the_doubled_map_twice(model: ModelProto) -> None:
    model.graph.node[-1].output[0] = "image"
    model.graph.node.append(helper.make_node("Concat", ["image", "active0"], ["images"], axis=1))


def use_it_before_the_activation(model: ModelProto) -> None:
    model.graph.node[-1].output[0] = "image"
    node = helper.make_node("Concat", ["image", "ConvTranspose0"], ["images"], axis=1)
    model.graph.node.append(node)


def show_the_doubled_map(model: ModelProto) -> None:
    shown = helper.make_tensor_value_info("active0", TensorProto.FLOAT, [None] * 4)
    model.graph.output.append(shown)


@pytest.mark.parametrize(
    "change", [use_the_doubled_map_twice, use_it_before_the_activation, show_the_doubled_map]
)
def test_a_map_with_other_users_is_interleaved(
    change: Callable[[ModelProto], None],
) -> None:
    model = Upsampling().model()
    change(model)
    found = operators(rewritten(model))
    assert "ConvTranspose" not in found
    assert "DepthToSpace" not in found


@pytest.mark.parametrize(
    ("side", "attributes"),
    [
        (3, {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        (3, {"pads": [0, 0, 0, 0]}),
        (3, {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
        (1, {}),
        (5, {"pads": [2, 2, 2, 2]}),
    ],
)
def test_other_convolutions_use_the_interleaved_map(side: int, attributes: dict[str, Any]) -> None:
    model = Upsampling(bias=False).model()
    weights = np.random.default_rng(2).normal(0, 0.5, (3, 32, side, side))
    model.graph.initializer[-1].CopyFrom(constant("weight1", weights))
    last = helper.make_node("Conv", [*model.graph.node[-1].input], ["images"], **attributes)
    model.graph.node[-1].CopyFrom(last)
    found = operators(rewritten(model))
    assert "DepthToSpace" not in found


def test_images_of_many_channels_use_the_interleaved_map() -> None:
    assert "DepthToSpace" not in operators(rewritten(Upsampling(channels=5).model()))


def test_sizes_written_by_the_exporter_are_ignored() -> None:
    model = Upsampling(known=False, channels=0).model()
    claim = helper.make_tensor_value_info("map", TensorProto.FLOAT, ["N", INPUTS, 4, 4])
    model.graph.value_info.append(claim)
    raw = model.SerializeToString()
    assert decompose(raw) is raw


def test_new_names_are_unique() -> None:
    model = Upsampling((4, 4), (32, 32)).model()
    model.graph.node[1].output[0] = model.graph.node[2].input[0] = "polyphase1"
    model.graph.initializer[1].name = model.graph.node[1].input[2] = "polyphase_2"
    rewritten(model)


def test_replaced_weights_are_removed() -> None:
    proto = onnx.load_model_from_string(rewritten(Upsampling().model()))
    used = {name for node in proto.graph.node for name in node.input}
    assert {tensor.name for tensor in proto.graph.initializer} <= used


def test_the_rewrite_is_deterministic() -> None:
    raw = Upsampling((4, 4), (32, 32)).model().SerializeToString()
    assert decompose(raw) == decompose(raw)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_an_image_does_not_depend_on_its_batch(channels: int) -> None:
    model = rewritten(Upsampling((7, 7), (48, 32), channels).model(), (7, 7))
    maps = maps_of((7, 7), 33)
    (whole,) = run(model, maps)
    for first, last in ((0, 1), (5, 12), (32, 33)):
        assert np.array_equal(run(model, maps[first:last])[0], whole[first:last])


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    st.builds(
        Upsampling,
        sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
        widths=st.lists(st.integers(1, 40), max_size=2).map(tuple),
        channels=st.integers(1, 6),
        activation=st.sampled_from(["LeakyRelu", "Relu", "Tanh", ""]),
        bias=st.booleans(),
        known=st.booleans(),
    )
)
def test_any_network_computes_the_same_images(upsampling: Upsampling) -> None:
    raw = upsampling.model().SerializeToString()
    found = decompose(raw)
    onnx.checker.check_model(found, full_check=True)
    maps = maps_of(upsampling.sizes)
    np.testing.assert_allclose(run(found, maps)[0], run(raw, maps)[0], rtol=1e-4, atol=1e-4)
