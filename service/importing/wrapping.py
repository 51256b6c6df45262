"""Turns a graph of any interface into one with the inputs and the output of a bundle."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    compose,
    helper,
    numpy_helper,
)

from mirage.service.importing.operators import IR_VERSION, OPSET
from mirage.service.importing.ports import NUMBERS, FixedPort, ImagesPort, Inputs, Port

PREFIX = "source/"  # of the names of the source, which could be those of the bundle otherwise


class _Graph:
    """Nodes and constants in the order in which they are made."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        """Append a constant and return its name."""
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def wrap(source: ModelProto, ports: Inputs, images: ImagesPort) -> ModelProto:
    """Return a graph from `latents` and `labels` to `images` around a graph of the same opset.

    Modifies `source`. Its batch size becomes free where it was fixed.
    """
    _forget_notes(source)
    if ports.batch is not None:
        free_batch(source.graph, ports.batch)
    inner = compose.add_prefix(source, PREFIX).graph
    before, after = _Graph(), _Graph()
    _add_latents(before, ports.latents)
    if ports.labels is not None:
        _add_labels(before, ports.labels, len(ports.class_names))
    for fixed in ports.fixed:
        before.constant(PREFIX + fixed.name, fixed_array(fixed))
    _add_images(after, images)
    image = images.image
    graph = helper.make_graph(
        [*before.nodes, *inner.node, *after.nodes],
        "generator",
        list(_inputs(ports)),
        [_tensor("images", TensorProto.UINT8, (image.height, image.width, image.channels))],
        [*before.constants, *inner.initializer, *after.constants],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def fixed_array(port: FixedPort) -> NDArray[Any]:
    """The value of an input that always has the same."""
    return np.full(list(port.shape), port.value, NUMBERS[port.elem_type])


def _inputs(ports: Inputs) -> Iterator[ValueInfoProto]:
    yield _tensor("latents", TensorProto.FLOAT, (ports.latent_dim,))
    if ports.labels is not None:
        yield _tensor("labels", TensorProto.INT64, ())


def _tensor(name: str, elem_type: int, axes: tuple[int, ...]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, elem_type, ["N", *axes])


def _add_latents(graph: _Graph, port: Port) -> None:
    name = PREFIX + port.name
    if len(port.axes) == 1:
        graph.add("Identity", ["latents"], name)
        return
    shape = graph.constant("latents/shape", np.array([-1, *port.axes], np.int64))
    graph.add("Reshape", ["latents", shape], name)


def _add_labels(graph: _Graph, port: Port, num_classes: int) -> None:
    name = PREFIX + port.name
    if port.axes == ():
        graph.add("Cast", ["labels"], name, to=port.elem_type)
        return
    column_shape = graph.constant("labels/shape", np.array([-1, 1], np.int64))
    column = graph.add("Reshape", ["labels", column_shape], "labels/column")
    if port.axes != (1,):
        indices = graph.constant("labels/classes", np.arange(num_classes, dtype=np.int64))
        column = graph.add("Equal", [column, indices], "labels/one_hot")
    graph.add("Cast", [column], name, to=port.elem_type)


def _add_images(graph: _Graph, port: ImagesPort) -> None:
    """Scale to grey levels, round to the nearest (ties to even), and put channels last."""
    name = PREFIX + port.name
    if port.value_range is not None:
        black, scale = scaling(port.value_range)
        black_name = graph.constant("images/black", np.asarray(black))
        scale_name = graph.constant("images/scale", np.asarray(scale))
        low = graph.constant("images/low", np.asarray(0, np.float32))
        high = graph.constant("images/high", np.asarray(255, np.float32))
        name = graph.add("Sub", [name, black_name], "images/above_black")
        name = graph.add("Mul", [name, scale_name], "images/levels")
        name = graph.add("Round", [name], "images/rounded")
        name = graph.add("Clip", [name, low, high], "images/clipped")
        name = graph.add("Cast", [name], "images/bytes", to=TensorProto.UINT8)
    if port.channels_first:
        graph.add("Transpose", [name], "images", perm=[0, 2, 3, 1])
    else:
        graph.add("Identity", [name], "images")


def scaling(value_range: tuple[float, float]) -> tuple[np.float32, np.float32]:
    """The value of black, and the grey levels per unit: `(x - black) * scale` is in 0 … 255."""
    black, white = value_range
    return np.float32(black), np.float32(255 / (white - black))


def _forget_notes(model: ModelProto) -> None:
    """Remove what exporters note of their own sources, such as stack traces."""
    graph = model.graph
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
    del graph.value_info[:]


def free_batch(graph: GraphProto, batch: int) -> None:
    """Free the batch size in the shapes that a graph reshapes to.

    Exporters write a fixed batch size into them as the first size. Replacing it with -1 changes
    nothing at that batch size, since the other sizes are known.
    """
    known = dict(_constants(graph))
    for number, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.input[1] not in known:
            continue
        shape = known[node.input[1]]
        if shape.ndim == 1 and shape.size and shape[0] == batch and -1 not in shape:
            name = f"{node.input[1]}/free{number}"
            free = np.array([-1, *shape[1:]], np.int64)
            graph.initializer.append(numpy_helper.from_array(free, name))
            node.input[1] = name


def _constants(graph: GraphProto) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield name and values of the int64 constants."""
    tensors = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            tensors += [(node.output[0], each.t) for each in node.attribute if each.name == "value"]
    for name, tensor in tensors:
        if tensor.data_type == TensorProto.INT64:
            yield name, numpy_helper.to_array(tensor)
