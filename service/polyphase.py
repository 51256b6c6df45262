"""Rewrites transposed convolutions as plain ones, which onnxruntime's CPU provider runs quicker.

A transposed convolution with kernel 4, stride 2 and padding 1 doubles a map. The pixels that it
makes are of four phases, by the parities of their row and column, and each phase is a plain 2x2
convolution of the smaller map: the polyphase decomposition. The phases are interleaved at last.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

Weights = NDArray[np.float32]

# Larger maps are quicker as they are: interleaving them costs more than the convolution gains.
LARGEST_MAP = 16 * 16  # pixels of the smaller map
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))  # parities of row and column
# What one convolution makes: all phases, those of a row's parity, or one.
GROUPINGS = (((0, 1, 2, 3),), ((0, 1), (2, 3)), ((0,), (1,), (2,), (3,)))
BLOCK = 8  # onnxruntime computes output channels in blocks
COMPOSED_CHANNELS = 4  # of a last convolution at most: more are quicker after interleaving
ACTIVATIONS = ("LeakyRelu", "Relu")
DEFAULTS: dict[str, Any] = {
    "auto_pad": b"NOTSET",
    "dilations": [1, 1],
    "group": 1,
    "output_padding": [0, 0],
    "output_shape": [],
    "pads": [0, 0, 0, 0],
    "strides": [1, 1],
}


def decompose(model: bytes) -> bytes:
    """Rewrite the doublings of small maps in a serialized model that bundle verification let pass.

    The new graph makes the same images but for rounding; the same bytes in give the same bytes out,
    and the very `model` when there is nothing to rewrite.
    """
    proto = onnx.load_model_from_string(model)
    if all(node.op_type != "ConvTranspose" for node in proto.graph.node):
        return model
    found = _Search(proto).doublings()
    if not found:
        return model
    draft = _Draft(_fresh_prefix(proto.graph))
    for doubling in found:
        draft.rewrite(doubling)
    _replace(proto.graph, draft)
    rewritten: bytes = proto.SerializeToString()
    return rewritten


@dataclass(frozen=True)
class _Convolution:
    """What a node computes: a doubling or a plain convolution."""

    node: NodeProto
    weights: Weights
    bias: Weights | None


@dataclass(frozen=True)
class _Doubling:
    """A transposed convolution with what follows it.

    `activations` alone use what comes before them, and `last` alone uses what comes before it.
    """

    transposed: _Convolution
    activations: list[NodeProto]
    last: _Convolution | None
    height: int  # of the smaller map
    width: int

    @property
    def nodes(self) -> list[NodeProto]:
        """All that it replaces, in order."""
        last = [] if self.last is None else [self.last.node]
        return [self.transposed.node, *self.activations, *last]


class _Search:
    """Finds what can be rewritten."""

    def __init__(self, proto: ModelProto) -> None:
        graph = proto.graph
        self._nodes = list(graph.node)
        self._constants = _constants(graph)
        self._sizes = _map_sizes(proto)
        self._user = {name: node for node in graph.node for name in node.input}
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(value.name for value in graph.output)

    def doublings(self) -> list[_Doubling]:
        """All that pay, in the graph's order."""
        found = (self._doubling(node) for node in self._nodes if node.op_type == "ConvTranspose")
        return [doubling for doubling in found if doubling is not None]

    def _doubling(self, node: NodeProto) -> _Doubling | None:
        height, width = self._sizes.get(node.input[0], (0, 0))
        transposed = self._convolution(node, 4, strides=[2, 2], pads=[1, 1, 1, 1])
        if transposed is None or not 0 < height * width <= LARGEST_MAP:
            return None
        activations: list[NodeProto] = []
        end = node
        while (after := self._only_user(end)) and after.op_type in ACTIVATIONS:
            activations.append(after)
            end = after
        last = after and self._last(after)
        return _Doubling(transposed, activations, last, height, width)

    def _last(self, node: NodeProto) -> _Convolution | None:
        if node.op_type != "Conv":
            return None
        last = self._convolution(node, 3, pads=[1, 1, 1, 1])
        return last if last and len(last.weights) <= COMPOSED_CHANNELS else None

    def _only_user(self, node: NodeProto) -> NodeProto | None:
        name = node.output[0]
        user = self._user.get(name)
        return user if user and self._uses[name] == 1 and user.input[0] == name else None

    def _convolution(self, node: NodeProto, side: int, **wanted: Any) -> _Convolution | None:
        """A node whose parameters are constant and whose attributes are the wanted ones."""
        parameters = [self._constants.get(name) for name in node.input[1:] if name]
        weights, *bias = parameters
        if weights is None or None in bias or list(weights.dims)[2:] != [side, side]:
            return None
        implied = DEFAULTS | {"kernel_shape": [side, side]}
        given = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        if implied | given != implied | wanted:
            return None
        arrays = [numpy_helper.to_array(tensor) for tensor in parameters if tensor is not None]
        return _Convolution(node, arrays[0], arrays[1] if bias else None)


def _constants(graph: GraphProto) -> dict[str, TensorProto]:
    """Constant values by name, whether initializers or nodes."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for entry in node.attribute if node.op_type == "Constant" else ():
            if entry.name == "value":
                found[node.output[0]] = entry.t
    return found


def _map_sizes(proto: ModelProto) -> dict[str, tuple[int, int]]:
    """Height and width of the values for which they follow from the graph, 0 where they do not."""
    bare = ModelProto()
    bare.CopyFrom(proto)
    del bare.graph.value_info[:]  # what the exporter says of values may be wrong
    inferred = onnx.shape_inference.infer_shapes(bare, data_prop=True)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.graph.input, *inferred.graph.value_info)
    }
    return {name: (shape[2], shape[3]) for name, shape in shapes.items() if len(shape) == 4}


def _fresh_prefix(graph: GraphProto) -> str:
    """A beginning that no name in the graph has."""
    names = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
    names.update(tensor.name for tensor in graph.initializer)
    prefix = "polyphase"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


def _replace(graph: GraphProto, draft: "_Draft") -> None:
    """Put new nodes where the last of those that they replace stood."""
    nodes = [new for node in graph.node for new in draft.replacements.get(node.output[0], [node])]
    used = {name for node in nodes for name in node.input}
    used.update(value.name for value in graph.output)
    tensors = [tensor for tensor in graph.initializer if tensor.name in used] + draft.constants
    for field_name in ("node", "initializer", "value_info"):
        graph.ClearField(field_name)
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


@dataclass
class _Draft:
    """New nodes and constants, and which node's output they stand for."""

    prefix: str
    constants: list[TensorProto] = field(default_factory=list)
    replacements: dict[str, list[NodeProto]] = field(default_factory=dict)
    _nodes: list[NodeProto] = field(default_factory=list)
    _names: int = 0

    def rewrite(self, doubling: _Doubling) -> None:
        """Write the nodes that stand for a doubling."""
        self._nodes = []
        transposed, last = doubling.transposed, doubling.last
        source = transposed.node.input[0]
        maps = self._convolve(source, transposed_phases(transposed.weights), transposed.bias)
        for activation in doubling.activations:
            maps = [self._activate(activation, name) for name in maps]
        if last is not None:
            joined = self._join(maps)
            maps = self._convolve(joined, composed_phases(last.weights), last.bias)
        self._interleave(maps, doubling)
        self.replacements |= {node.output[0]: [] for node in doubling.nodes}
        self.replacements[doubling.nodes[-1].output[0]] = self._nodes

    def _convolve(self, source: str, phases: Weights, bias: Weights | None) -> list[str]:
        """The phases of a map: `[N, phases · O, height, width]` of each group."""
        made = []
        for group in grouping(phases.shape[1]):
            kernel, pads = group_kernel(phases, group)
            inputs = [source, self._constant(kernel)]
            if bias is not None:
                inputs.append(self._constant(np.tile(bias, len(group))))
            made.append(self._node("Conv", inputs, kernel_shape=kernel.shape[2:], pads=pads))
        return made

    def _activate(self, activation: NodeProto, source: str) -> str:
        made = self._node(activation.op_type, [source])
        self._nodes[-1].attribute.extend(activation.attribute)
        return made

    def _join(self, maps: list[str], axis: int = 1) -> str:
        return maps[0] if len(maps) == 1 else self._node("Concat", maps, axis=axis)

    def _interleave(self, maps: list[str], doubling: _Doubling) -> None:
        """Put the pixels of the phases where they belong, under the name of the replaced value."""
        if len(maps) < len(PHASES):
            self._node("DepthToSpace", [self._join(maps)], blocksize=2, mode="DCR")
        else:
            self._interleave_single(maps, doubling)
        self._nodes[-1].output[0] = doubling.nodes[-1].output[0]

    def _interleave_single(self, maps: list[str], doubling: _Doubling) -> None:
        """The same as DepthToSpace, in steps that onnxruntime runs quicker: columns, then rows."""
        height, width = doubling.height, doubling.width
        outputs = doubling.transposed.weights.shape[1]
        if doubling.last is not None:
            outputs = len(doubling.last.weights)
        rows = []
        for pair in (maps[:2], maps[2:]):
            stacked = self._reshape(self._join(pair, 2), [0, outputs, 2, height * width])
            columns = self._node("Transpose", [stacked], perm=[0, 1, 3, 2])
            rows.append(self._reshape(columns, [0, outputs, height, 2 * width]))
        self._reshape(self._join(rows, 3), [0, outputs, 2 * height, 2 * width])

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


def transposed_phases(weights: Weights) -> Weights:
    """The kernels of the phases of a transposed convolution: `[I, O, 4, 4]` → `[4, O, I, 2, 2]`.

    Phase (a, c) of pixel (y, x) reads the rows y + a - 1 and y + a of the smaller map, and the
    columns x + c - 1 and x + c.
    """
    kernels = [weights[:, :, 3 - a :: -2, 3 - c :: -2] for a, c in PHASES]
    return np.stack(kernels).swapaxes(1, 2)


def composed_phases(weights: Weights) -> Weights:
    """The same of a 3x3 convolution of a map that is given as its phases, one after another.

    `[O, C, 3, 3]` → `[4, O, 4 · C, 2, 2]`.
    """
    outputs, channels = weights.shape[:2]
    kernels = []
    for a, c in PHASES:
        padded = np.pad(weights, ((0, 0), (0, 0), (1 - a, a), (1 - c, c)))
        parted = padded.reshape(outputs, channels, 2, 2, 2, 2)  # O, C, row, parity, column, parity
        kernels.append(parted.transpose(0, 3, 5, 1, 2, 4).reshape(outputs, -1, 2, 2))
    return np.stack(kernels)


def grouping(outputs: int) -> tuple[tuple[int, ...], ...]:
    """Which phases of so many channels are made together: the least to multiply.

    Together they share blocks of channels, but read more pixels than each needs.
    """

    def products(groups: tuple[tuple[int, ...], ...]) -> int:
        return sum(
            math.ceil(len(group) * outputs / BLOCK) * math.prod(_extent(group)) for group in groups
        )

    return min(GROUPINGS, key=products)


def group_kernel(phases: Weights, group: tuple[int, ...]) -> tuple[Weights, list[int]]:
    """One kernel that makes several phases, and its padding."""
    parities = np.array([PHASES[phase] for phase in group])
    (top, left), (bottom, right) = parities.min(0), parities.max(0)
    kernels = [
        np.pad(phases[phase], ((0, 0), (0, 0), (a - top, bottom - a), (c - left, right - c)))
        for phase, (a, c) in zip(group, parities, strict=True)
    ]
    return np.concatenate(kernels), [1 - top, 1 - left, bottom, right]


def _extent(group: tuple[int, ...]) -> tuple[int, ...]:
    """The rows and columns that a group reads."""
    parities = np.array([PHASES[phase] for phase in group])
    return tuple(2 + parities.max(0) - parities.min(0))
