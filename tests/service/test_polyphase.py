"""Rewritten graphs make the same maps; what would not pay, or is not alike, stays as it is."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from service.polyphase import decompose
from tests.bundles import Toy

Floats = NDArray[np.float32]
DOUBLING = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1, 1, 1, 1]}
PLAIN = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


class Chain:
    """A graph of one step after another, with weights from a seed."""

    def __init__(self, channels: int = 3, height: int = 5, width: int = 7) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shape = (channels, height, width)
        self.value = "map"
        self.channels = channels
        self.rng = np.random.default_rng(0)

    def doubling(self, outputs: int = 4, *, bias: bool = True, **changes: Any) -> "Chain":
        return self._convolution("ConvTranspose", outputs, bias, DOUBLING | changes)

    def plain(self, outputs: int = 3, *, bias: bool = True, **changes: Any) -> "Chain":
        return self._convolution("Conv", outputs, bias, PLAIN | changes)

    def then(self, operator: str, **attributes: Any) -> "Chain":
        return self._node(operator, [self.value], attributes)

    def model(self, *more_outputs: str) -> bytes:
        free = TensorProto.FLOAT
        ends = [
            helper.make_tensor_value_info(name, free, ["N", None, None, None])
            for name in (self.value, *more_outputs)
        ]
        start = helper.make_tensor_value_info("map", free, ["N", *self.shape])
        graph = helper.make_graph(self.nodes, "chain", [start], ends, self.constants)
        opset = [helper.make_opsetid("", 20)]
        found: bytes = helper.make_model(
            graph, opset_imports=opset, ir_version=10
        ).SerializeToString()
        return found

    def _convolution(
        self, operator: str, outputs: int, bias: bool, attributes: dict[str, Any]
    ) -> "Chain":
        side, group = attributes["kernel_shape"][0], attributes.get("group", 1)
        shape = (outputs, self.channels // group, side, side)
        if operator == "ConvTranspose":
            shape = (self.channels, outputs // group, side, side)
        inputs = [self.value, self._constant(self.rng.normal(0, 0.3, shape))]
        if bias:
            inputs.append(self._constant(self.rng.normal(0, 1, outputs)))
        self.channels = outputs
        return self._node(operator, inputs, attributes)

    def _constant(self, value: Any) -> str:
        name = f"weight{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def _node(self, operator: str, inputs: list[str], attributes: dict[str, Any]) -> "Chain":
        self.value = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [self.value], **attributes))
        return self


def run(model: bytes, maps: Floats) -> Floats:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found: Floats = session.run(None, {session.get_inputs()[0].name: maps})[0]
    return found


def maps_for(chain: Chain, count: int = 3) -> Floats:
    return np.random.default_rng(1).normal(0, 1, (count, *chain.shape)).astype(np.float32)


def operators(model: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_model_from_string(model).graph.node}


def kernels(model: bytes) -> list[tuple[int, ...]]:
    """The shapes of the convolutions' weights, in order."""
    graph = onnx.load_model_from_string(model).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return [shapes[node.input[1]] for node in graph.node if node.op_type == "Conv"]


def assert_rewritten(chain: Chain) -> bytes:
    """The new graph, which has no transposed convolution and makes the same."""
    model = chain.model()
    rewritten = decompose(model)
    assert "ConvTranspose" not in operators(rewritten)
    onnx.checker.check_model(onnx.load_model_from_string(rewritten), full_check=True)
    maps = maps_for(chain)
    np.testing.assert_allclose(run(rewritten, maps), run(model, maps), rtol=1e-4, atol=1e-5)
    return rewritten


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 4), (7, 7), (5, 8), (16, 16)])
def test_a_doubling_is_the_same_map(height: int, width: int, bias: bool) -> None:
    assert_rewritten(Chain(3, height, width).doubling(5, bias=bias))


@pytest.mark.parametrize("activation", ["LeakyRelu", "Relu"])
def test_so_it_is_with_an_activation_behind_it(activation: str) -> None:
    attributes = {"alpha": 0.2} if activation == "LeakyRelu" else {}
    assert_rewritten(Chain().doubling(16).then(activation, **attributes))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_a_last_convolution_is_composed_with_it(channels: int, bias: bool) -> None:
    chain = Chain(6, 4, 5).doubling(8).then("LeakyRelu", alpha=0.2).plain(channels, bias=bias)
    doubling, composed = kernels(assert_rewritten(chain))[:4], kernels(decompose(chain.model()))[4:]
    assert doubling == [(8, 6, 2, 2)] * 4
    assert {kernel[1] for kernel in composed} == {4 * 8}
    assert sum(kernel[0] for kernel in composed) == 4 * channels


def test_a_convolution_of_many_channels_stays_behind_it() -> None:
    rewritten = assert_rewritten(Chain().doubling(8).then("Relu").plain(16))
    assert kernels(rewritten) == [(8, 3, 2, 2)] * 4 + [(16, 8, 3, 3)]


def test_doublings_one_after_another_and_what_is_around_them() -> None:
    chain = Chain(4, 4, 4).plain(6).then("Relu").doubling(5).then("LeakyRelu", alpha=0.1)
    assert_rewritten(chain.doubling(8).then("Relu").plain(3).then("Tanh"))


def test_weights_may_be_constants_made_by_nodes() -> None:
    chain = Chain().doubling(4)
    for tensor in chain.constants:
        chain.nodes.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    chain.constants.clear()
    assert_rewritten(chain)


def test_names_that_are_taken_are_left_to_who_has_them() -> None:
    chain = Chain().doubling(4)
    chain.nodes[-1].output[0] = chain.value = "polyphase1"
    assert_rewritten(chain)


@pytest.mark.parametrize(
    "chain",
    [
        Chain(3, 17, 16).doubling(),
        Chain().doubling(pads=[0, 0, 0, 0]),
        Chain().doubling(strides=[1, 1]),
        Chain().doubling(kernel_shape=[2, 2], pads=[0, 0, 0, 0]),
        Chain(4).doubling(4, group=2),
        Chain().doubling(output_padding=[1, 1]),
        Chain().doubling(dilations=[2, 2]),
        Chain().doubling(auto_pad="SAME_UPPER", pads=[0, 0, 0, 0]),
        Chain().plain().then("Relu"),
    ],
    ids=[
        *("a large map", "other padding", "other strides", "another kernel", "groups"),
        *("output padding", "dilations", "padding by rule", "nothing to double"),
    ],
)
def test_what_is_not_such_a_doubling_stays_as_it_is(chain: Chain) -> None:
    model = chain.model()
    assert decompose(model) is model


def test_weights_that_are_computed_stay() -> None:
    chain = Chain().doubling(bias=False)
    chain.nodes.insert(0, helper.make_node("Neg", [chain.nodes[0].input[1]], ["computed"]))
    chain.nodes[-1].input[1] = "computed"
    model = chain.model()
    assert decompose(model) is model


def test_values_that_others_use_are_still_made() -> None:
    """Also those that are the graph's answers."""
    chain = Chain().doubling(4)
    between = chain.value
    chain.then("Relu").plain(3)
    rewritten, maps = decompose(chain.model(between)), maps_for(chain)
    assert "ConvTranspose" not in operators(rewritten)
    for model in (rewritten, chain.model(between)):
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        assert [value.name for value in session.get_outputs()] == [chain.value, between]
    np.testing.assert_allclose(run(rewritten, maps), run(chain.model(between), maps), rtol=1e-4)


def test_a_map_does_not_depend_on_its_batch() -> None:
    chain = Chain(8, 7, 7).doubling(16).then("LeakyRelu", alpha=0.2).plain(1)
    rewritten, maps = decompose(chain.model()), maps_for(chain, 33)
    whole = run(rewritten, maps)
    for size in (1, 2, 8):
        assert np.array_equal(run(rewritten, maps[:size]), whole[:size])


def test_the_same_bytes_in_are_the_same_bytes_out() -> None:
    model = Chain().doubling().then("Relu").plain(1).model()
    assert decompose(model) == decompose(model) != model


def test_a_graph_without_any_is_handed_back() -> None:
    model = Toy().model().SerializeToString()
    assert decompose(model) is model


@settings(deadline=None, max_examples=60)
@given(
    channels=st.integers(1, 9),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["doubling", "plain", "Relu", "LeakyRelu", "Tanh"]), st.integers(1, 9)
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_whatever_stands_around_them_the_maps_are_the_same(
    channels: int, height: int, width: int, steps: list[tuple[str, int]]
) -> None:
    chain = Chain(channels, height, width)
    doubled = 0
    for step, outputs in steps:
        if step == "doubling" and doubled < 3:
            chain.doubling(outputs, bias=outputs % 2 == 0)
            doubled += 1
        elif step == "plain":
            chain.plain(outputs, bias=outputs % 2 == 1)
        elif step != "doubling":
            chain.then(step)
    if not chain.nodes:
        return
    model, maps = chain.model(), maps_for(chain, 2)
    np.testing.assert_allclose(run(decompose(model), maps), run(model, maps), rtol=1e-3, atol=1e-4)
