"""A copy of a graph in float16, in which a GPU's matrix units work twice as fast or more."""

import onnx

from mirage.service.partition import CONVOLUTIONS


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
