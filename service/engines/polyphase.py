"""Rewrites transposed convolutions as plain ones, which onnxruntime's CPU provider runs faster.

A transposed convolution with kernel 4, stride 2 and padding 1 doubles the size of a feature map.
Its output pixels fall into four phases, by the parities of row and column, and each phase is a
plain 2x2 convolution of the input: the polyphase decomposition. If a 3x3 convolution to an image
follows, it is computed from the phases as well, so that only the image has to be interleaved.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

Weights = NDArray[np.float32]
Phase = tuple[int, int]

PHASES: tuple[Phase, ...] = ((0, 0), (0, 1), (1, 0), (1, 1))  # parities of row and column
# Fewest channels of a map that is interleaved: with fewer, interleaving takes longer than the
# plain convolutions save.
MIN_CHANNELS = 16
# Most channels of an image that is computed from the phases: that takes 16 kernel elements for each
# output channel instead of 9, which pays only if a larger map need not be interleaved.
MAX_IMAGE_CHANNELS = 4
ACTIVATIONS = ("LeakyRelu", "Relu")
DEFAULTS: dict[str, Any] = {  # ONNX's own
    "auto_pad": b"NOTSET",
    "dilations": [1, 1],
    "group": 1,
    "output_padding": [0, 0],
    "output_shape": [],
    "pads": [0, 0, 0, 0],
    "strides": [1, 1],
}


def decompose(model: bytes) -> bytes:
    """Rewrite the transposed convolutions of a verified serialized model where that is faster.

    The images differ at most by rounding. The rewritten bytes depend on `model` alone. Returns
    `model` itself if there is nothing to rewrite.
    """
    proto = onnx.load_model_from_string(model)
    upsamplings = _Search(proto).upsamplings()
    if not upsamplings:
        return model
    rewrite = _Rewrite(_unused_prefix(proto.graph))
    for upsampling in upsamplings:
        rewrite.add(upsampling)
    _replace(proto.graph, rewrite)
    rewritten: bytes = proto.SerializeToString()
    return rewritten


def phase_kernel(weights: Weights, phase: Phase) -> Weights:
    """Return the kernel of an output phase: `[I, O, 4, 4]` → `[O, I, 2, 2]`.

    Pixel (y, x) of phase (a, c) reads the rows y + a - 1 and y + a of the input, and the columns
    x + c - 1 and x + c.
    """
    a, c = phase
    return weights[:, :, 3 - a :: -2, 3 - c :: -2].swapaxes(0, 1)


def image_kernel(weights: Weights, phase: Phase) -> Weights:
    """Return the part of a 3x3 kernel for an input phase: `[O, C, 3, 3]` → `[4 · O, C, 2, 2]`.

    The outputs are the four phases of the image. Pixel (y, x) of each reads the rows y - p and
    y - p + 1 of the input phase (p, q), and the columns x - q and x - q + 1.
    """
    p, q = phase
    padded = np.pad(weights, ((0, 0), (0, 0), (1, 1), (1, 1)))
    kernels = [
        padded[:, :, 2 - p - a : 5 - p - a : 2, 2 - q - c : 5 - q - c : 2] for a, c in PHASES
    ]
    return np.concatenate(kernels)


@dataclass(frozen=True)
class _Convolution:
    """A convolution, transposed or plain, with constant parameters."""

    node: NodeProto
    weights: Weights
    bias: Weights | None


@dataclass(frozen=True)
class _Upsampling:
    """A transposed convolution and what follows it, each the only user of the node before."""

    transposed: _Convolution
    activations: list[NodeProto]
    image: _Convolution | None
    height: int  # of the input; 0 if shape inference does not find it
    width: int

    @property
    def pays_off(self) -> bool:
        """Whether it is faster rewritten."""
        if self.image is not None:
            return True
        known = self.height * self.width > 0
        return known and self.transposed.weights.shape[1] >= MIN_CHANNELS

    @property
    def nodes(self) -> list[NodeProto]:
        """The nodes to replace, in order."""
        image = [] if self.image is None else [self.image.node]
        return [self.transposed.node, *self.activations, *image]


class _Search:
    """Finds the upsamplings of a graph that can be rewritten."""

    def __init__(self, proto: ModelProto) -> None:
        graph = proto.graph
        self._transposed = [node for node in graph.node if node.op_type == "ConvTranspose"]
        self._constants = _constants(graph)
        self._sizes = _map_sizes(proto) if self._transposed else {}
        self._user = {name: node for node in graph.node for name in node.input}
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(value.name for value in graph.output)

    def upsamplings(self) -> list[_Upsampling]:
        """Return those that pay off, in the graph's order."""
        found = map(self._upsampling, self._transposed)
        return [each for each in found if each is not None and each.pays_off]

    def _upsampling(self, node: NodeProto) -> _Upsampling | None:
        transposed = self._convolution(node, 4, strides=[2, 2], pads=[1, 1, 1, 1])
        if transposed is None:
            return None
        activations: list[NodeProto] = []
        user = self._only_user(node)
        while user is not None and user.op_type in ACTIVATIONS:
            activations.append(user)
            user = self._only_user(user)
        height, width = self._sizes.get(node.input[0], (0, 0))
        return _Upsampling(transposed, activations, self._image(user), height, width)

    def _image(self, node: NodeProto | None) -> _Convolution | None:
        if node is None or node.op_type != "Conv":
            return None
        image = self._convolution(node, 3, pads=[1, 1, 1, 1])
        return image if image and len(image.weights) <= MAX_IMAGE_CHANNELS else None

    def _only_user(self, node: NodeProto) -> NodeProto | None:
        name = node.output[0]
        user = self._user.get(name)
        return user if user and self._uses[name] == 1 and user.input[0] == name else None

    def _convolution(self, node: NodeProto, side: int, **required: Any) -> _Convolution | None:
        """Return the node's parameters if they are constant and its attributes are `required`."""
        implied = DEFAULTS | {"kernel_shape": [side, side]}
        given = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        names = [name for name in node.input[1:] if name]
        tensors = [self._constants[name] for name in names if name in self._constants]
        if implied | given != implied | required or len(tensors) < len(names):
            return None
        weights, *bias = map(numpy_helper.to_array, tensors)
        if weights.shape[2:] != (side, side):
            return None
        return _Convolution(node, weights, bias[0] if bias else None)


def _constants(graph: GraphProto) -> dict[str, TensorProto]:
    """Return initializers and the values of Constant nodes by name."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            found.update(
                (node.output[0], entry.t) for entry in node.attribute if entry.HasField("t")
            )
    return found


def _map_sizes(proto: ModelProto) -> dict[str, tuple[int, int]]:
    """Return height and width of the feature maps, as far as shape inference finds them, else 0."""
    graph = proto.graph
    inputs, constants = list(graph.input), []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:  # weights are large, and only their shape matters
            inputs.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        else:
            constants.append(tensor)
    # Without the exporter's own shapes of values, which may be wrong.
    bare = helper.make_graph(graph.node, "bare", inputs, graph.output, constants)
    opsets = list(proto.opset_import)
    model = helper.make_model(bare, ir_version=proto.ir_version, opset_imports=opsets)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in inferred.graph.value_info
    }
    return {name: (shape[2], shape[3]) for name, shape in shapes.items() if len(shape) == 4}


def _unused_prefix(graph: GraphProto) -> str:
    """Return a prefix that no name in the graph has."""
    names = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
    names.update(tensor.name for tensor in graph.initializer)
    prefix = "polyphase"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


@dataclass
class _Rewrite:
    """New constants, and for the output of each replaced node the new nodes in its place."""

    prefix: str
    constants: list[TensorProto] = field(default_factory=list)
    replacements: dict[str, list[NodeProto]] = field(default_factory=dict)
    _nodes: list[NodeProto] = field(default_factory=list)
    _names: int = 0

    def add(self, upsampling: _Upsampling) -> None:
        """Add the nodes that replace an upsampling, in the place of its last node."""
        self._nodes = []
        maps = [self._phase(upsampling, phase) for phase in PHASES]
        if upsampling.image is None:
            self._interleave(maps, upsampling)
        else:
            self._image(maps, upsampling.image)
        end = upsampling.nodes[-1].output[0]
        self._nodes[-1].output[0] = end
        self.replacements |= {node.output[0]: [] for node in upsampling.nodes}
        self.replacements[end] = self._nodes

    def _phase(self, upsampling: _Upsampling, phase: Phase) -> str:
        """Compute a phase. onnxruntime fuses the activation into the convolution."""
        transposed = upsampling.transposed
        kernel, (a, c) = phase_kernel(transposed.weights, phase), phase
        pads = [1 - a, 1 - c, a, c]
        value = self._convolve(transposed.node.input[0], kernel, pads, transposed.bias)
        for activation in upsampling.activations:
            value = self._node(activation.op_type, [value])
            self._nodes[-1].attribute.extend(activation.attribute)
        return value

    def _interleave(self, maps: list[str], upsampling: _Upsampling) -> None:
        """Interleave the phases, first their columns, then their rows.

        With channels last, whole pixels are moved, and onnxruntime fuses the transposition with the
        convolution. DepthToSpace computes the same, but takes longer.
        """
        height, width = upsampling.height, upsampling.width
        channels = upsampling.transposed.weights.shape[1]
        last = [self._node("Transpose", [phase], perm=[0, 2, 3, 1]) for phase in maps]
        rows = []
        for pair in (last[:2], last[2:]):
            columns = self._node("Concat", pair, axis=3)
            rows.append(self._reshape(columns, [0, height, 2 * width * channels]))
        stacked = self._node("Concat", rows, axis=2)
        pixels = self._reshape(stacked, [0, 2 * height, 2 * width, channels])
        self._node("Transpose", [pixels], perm=[0, 3, 1, 2])

    def _image(self, maps: list[str], image: _Convolution) -> None:
        """Sum the contributions of each phase of the map to all phases of the image."""
        bias = None if image.bias is None else np.tile(image.bias, len(PHASES))
        total = ""
        for source, (p, q) in zip(maps, PHASES, strict=True):
            pads = [p, q, 1 - p, 1 - q]
            part = self._convolve(source, image_kernel(image.weights, (p, q)), pads, bias)
            total, bias = self._node("Add", [total, part]) if total else part, None
        self._node("DepthToSpace", [total], blocksize=2, mode="DCR")

    def _convolve(self, source: str, kernel: Weights, pads: list[int], bias: Weights | None) -> str:
        parameters = [kernel] if bias is None else [kernel, bias]
        inputs = [source, *map(self._constant, parameters)]
        return self._node("Conv", inputs, kernel_shape=[2, 2], pads=pads)

    def _reshape(self, source: str, shape: list[int]) -> str:
        return self._node("Reshape", [source, self._constant(np.array(shape, np.int64))])

    def _node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        name = self._name()
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def _constant(self, value: NDArray[Any]) -> str:
        name = self._name()
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _name(self) -> str:
        self._names += 1
        return f"{self.prefix}{self._names}"


def _replace(graph: GraphProto, rewrite: _Rewrite) -> None:
    """Insert the new nodes and constants into the graph, and remove what they replace."""
    nodes = [new for node in graph.node for new in rewrite.replacements.get(node.output[0], [node])]
    used = {name for node in nodes for name in node.input}
    for number in reversed(range(len(graph.initializer))):
        if graph.initializer[number].name not in used:
            del graph.initializer[number]
    graph.initializer.extend(rewrite.constants)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
