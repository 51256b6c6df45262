"""Converts weights and parts of a graph to another precision."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from mirage.bundle.format.graph import casts_to_float32

CONVOLUTIONS = ("Conv", "ConvTranspose")


def with_float32_weights(model: bytes) -> bytes:
    """Store the float16 weights of a verified serialized model in float32, without their casts.

    Other rewrites look for float32 weights. Nothing that the model computes changes. Returns
    `model` itself if it has no float16 weights.
    """
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    halves = {each.name: each for each in graph.initializer if _is_half(each)}
    if not halves:
        return model
    for half in halves.values():
        values = numpy_helper.to_array(half).astype(np.float32)
        half.CopyFrom(numpy_helper.from_array(values, half.name))
    weights, nodes = {}, []  # of each cast's output, the weights; the nodes that stay
    for node in graph.node:
        if casts_to_float32(node) and node.input[0] in halves:
            weights[node.output[0]] = node.input[0]
        else:
            node.input[:] = [weights.get(name, name) for name in node.input]
            nodes.append(node)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    widened: bytes = proto.SerializeToString()
    return widened


def _is_half(tensor: TensorProto) -> bool:
    return bool(tensor.data_type == TensorProto.FLOAT16)


def cut_before_convolutions(model: bytes) -> tuple[bytes, bytes] | None:
    """Split a serialized model before its first convolution.

    The output of the first part is the only input of the second. Returns None if there is no such
    split: if nothing comes before the convolution, or inputs are used again after it.
    """
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    first = next((node for node in graph.node if node.op_type in CONVOLUTIONS), None)
    if first is None:
        return None
    cut = first.input[0]
    constants = [node for node in graph.node if node.op_type == "Constant"]
    before = _ancestors(graph, cut)
    computed = {name for node in before for name in node.output}
    after = [
        node
        for node in graph.node
        if node.op_type != "Constant" and computed.isdisjoint(node.output)
    ]
    inputs = {value.name for value in graph.input}
    if not before or _used(after) & (computed | inputs) != {cut}:
        return None
    dense = _part(proto, constants + before, graph.input, [ValueInfoProto(name=cut)])
    dense = onnx.shape_inference.infer_shapes(dense, data_prop=True)
    rest = _part(proto, constants + after, dense.graph.output, graph.output)
    return dense.SerializeToString(), rest.SerializeToString()


def _ancestors(graph: GraphProto, value: str) -> list[NodeProto]:
    """Return the nodes that a value depends on, without constants, in the graph's order."""
    wanted, found = {value}, []
    for node in reversed(graph.node):
        if node.op_type != "Constant" and not wanted.isdisjoint(node.output):
            wanted.update(node.input)
            found.append(node)
    return found[::-1]


def _used(nodes: Iterable[NodeProto]) -> set[str]:
    return {name for node in nodes for name in node.input}


def _part(
    proto: ModelProto,
    nodes: list[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
) -> ModelProto:
    """Make a model of some of the nodes, with the weights that they use."""
    used = _used(nodes)
    weights = [tensor for tensor in proto.graph.initializer if tensor.name in used]
    graph = helper.make_graph(nodes, proto.graph.name, inputs, outputs, weights)
    opsets = list(proto.opset_import)
    return helper.make_model(graph, ir_version=proto.ir_version, opset_imports=opsets)


def in_float16(model: bytes) -> bytes:
    """Convert a serialized model to float16, up to its last convolution.

    What follows converts to pixel values and stays in float32. Inputs and outputs keep their types.
    A model without convolutions is returned unchanged.
    """
    # Imported here because only GPUs need it.
    from onnxruntime.transformers.float16 import convert_float_to_float16

    proto = onnx.load_model_from_string(model)
    nodes = proto.graph.node
    for number, node in enumerate(nodes):
        node.name = node.name or f"node {number}"
    convolutions = [index for index, node in enumerate(nodes) if node.op_type in CONVOLUTIONS]
    if not convolutions:
        return model
    after = [node.name for node in nodes[convolutions[-1] + 1 :]]
    converted = convert_float_to_float16(proto, keep_io_types=True, node_block_list=after)
    serialized: bytes = converted.SerializeToString()
    return serialized
