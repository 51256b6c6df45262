"""Graphs in a reduced precision, in part: what must stay float32 does."""

from collections.abc import Iterable, Sequence

import onnx
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

CONVOLUTIONS = ("Conv", "ConvTranspose")


def cut_before_convolutions(model: bytes) -> tuple[bytes, bytes] | None:
    """All that comes before the first convolution of a serialized model, and the rest.

    What the first makes is all that the second takes. None where there is no such place: where
    nothing comes before, or where latents or labels are used again behind it.
    """
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    first = next((node for node in graph.node if node.op_type in CONVOLUTIONS), None)
    if first is None:
        return None
    border = first.input[0]
    constants = [node for node in graph.node if node.op_type == "Constant"]
    before = _leading_to(graph, border)
    made = {name for node in before for name in node.output}
    after = [
        node for node in graph.node if node.op_type != "Constant" and made.isdisjoint(node.output)
    ]
    if not before or _used(after) & (made | {value.name for value in graph.input}) != {border}:
        return None
    dense = _part(proto, constants + before, graph.input, [ValueInfoProto(name=border)])
    dense = onnx.shape_inference.infer_shapes(dense, data_prop=True)
    rest = _part(proto, constants + after, dense.graph.output, graph.output)
    return dense.SerializeToString(), rest.SerializeToString()


def _leading_to(graph: GraphProto, value: str) -> list[NodeProto]:
    """The nodes from which a value follows, in the graph's order, but for constants."""
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
    """A model of some of the nodes, with the weights that they use."""
    used = _used(nodes)
    weights = [tensor for tensor in proto.graph.initializer if tensor.name in used]
    graph = helper.make_graph(nodes, proto.graph.name, inputs, outputs, weights)
    opsets = list(proto.opset_import)
    return helper.make_model(graph, ir_version=proto.ir_version, opset_imports=opsets)


def in_float16(model: bytes) -> bytes:
    """A serialized model's graph in float16 up to its last convolution, and float32 behind it.

    What follows turns its output into grey levels. The model takes and makes what it did; without
    convolutions it stays as it is.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16  # for GPUs only

    proto = onnx.load_model_from_string(model)
    nodes = proto.graph.node
    for number, node in enumerate(nodes):
        node.name = node.name or f"node {number}"
    convolutions = [place for place, node in enumerate(nodes) if node.op_type in CONVOLUTIONS]
    if not convolutions:
        return model
    behind = [node.name for node in nodes[convolutions[-1] + 1 :]]
    half = convert_float_to_float16(proto, keep_io_types=True, node_block_list=behind)
    copied: bytes = half.SerializeToString()
    return copied
