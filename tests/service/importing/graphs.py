"""Tiny graphs built by hand, for what exporters do not write."""

from collections.abc import Callable, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
Sizes = Sequence[int | str | None]


def generator(
    *,
    latents: Sizes = ("N", 5),
    nodes: Sequence[NodeProto] = (),
    images: Sizes = ("N", 3, 5, 5),
    opset: int = 17,
    shape: Sequence[int] = (-1, 3, 5, 5),
    constants: dict[str, np.ndarray] | None = None,
    change: Callable[[ModelProto], object] = lambda model: None,
) -> ModelProto:
    """A product of `z` and a matrix, reshaped to `out`, after other nodes."""
    pixels = int(np.prod([abs(size) for size in shape if size > 0]))
    weight = np.random.default_rng(0).normal(0, 0.3, (5, pixels)).astype(np.float32)
    values = {"weight": weight, "shape": np.array(shape, np.int64), **(constants or {})}
    graph = helper.make_graph(
        [
            *nodes,
            helper.make_node("MatMul", ["z", "weight"], ["pixels"]),
            helper.make_node("Reshape", ["pixels", "shape"], ["out"]),
        ],
        "graph",
        [helper.make_tensor_value_info("z", FLOAT, latents)],
        [helper.make_tensor_value_info("out", FLOAT, images)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    change(model)
    return model


def with_batch_in_a_constant(batch: int) -> ModelProto:
    """A graph that adds a constant of as many items as its batch."""

    def add_constant(model: ModelProto) -> None:
        ramp = np.zeros((batch, 3, 5, 5), np.float32)
        model.graph.initializer.append(numpy_helper.from_array(ramp, "ramp"))
        model.graph.node[-1].output[0] = "plain"
        model.graph.node.append(helper.make_node("Add", ["plain", "ramp"], ["out"]))

    return generator(latents=(batch, 5), images=(batch, 3, 5, 5), change=add_constant)
