"""Verification of the ONNX graphs: versions, operators, constants, interface and sizes."""

import math
from collections.abc import Iterable

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from mirage.bundle.errors import BundleError
from mirage.bundle.format.interface import ENCODER, DType, Tensor
from mirage.bundle.format.limits import Limits
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.wire import check_wire

IR_VERSIONS = range(8, 11)
OPSETS = range(17, 21)
OPERATORS = frozenset(
    """
    Abs Add ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape
    Conv ConvTranspose Cos DepthToSpace Div Einsum Elu Equal Erf Exp Expand Flatten Floor Gather
    GatherND Gelu Gemm GlobalAveragePool HardSigmoid HardSwish Identity InstanceNormalization
    LayerNormalization LeakyRelu Log MatMul Max MaxPool Min Mish Mul Neg Not PRelu Pad Pow
    Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Resize
    Round Selu Shape Sigmoid Sign Sin Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum
    Tanh Tile Transpose Unsqueeze Where
    """.split()
)
# The bytes of one item, and the field that holds the items when `raw_data` does not.
CONSTANT_TYPES: dict[int, tuple[int, str]] = {
    TensorProto.FLOAT: (4, "float_data"),
    TensorProto.FLOAT16: (2, "int32_data"),
    TensorProto.INT64: (8, "int64_data"),
    TensorProto.INT32: (4, "int32_data"),
    TensorProto.UINT8: (1, "int32_data"),
    TensorProto.BOOL: (1, "int32_data"),
}
ELEMENT_TYPES: dict[DType, int] = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int16": TensorProto.INT16,
    "uint8": TensorProto.UINT8,
}
LARGE_TILE = 512  # side in pixels for which the sizes of intermediate tensors are checked
SMALL_ITEMS = 1024  # constants up to this size are kept, because they may define shapes
# Name -> element type and sizes; None is the free batch size.
Interface = dict[str, tuple[int, tuple[int | None, ...]]]


def check_graph(model: bytes, manifest: Manifest, limits: Limits) -> None:
    """Raise BundleError `graph_…` unless a serialized model is allowed and fits its manifest."""
    inputs, outputs = _interface(manifest.inputs), _interface(manifest.outputs)
    proto = _checked(model, manifest, inputs, outputs, limits)
    _fix_sides(proto.graph, manifest)
    check_values(infer_values(without_weights(proto)), limits.value_elements)


def check_encoder(encoder: bytes, manifest: Manifest, limits: Limits) -> None:
    """As `check_graph`, for the serialized graph that estimates latents and class of pictures.

    Its input is `pictures` uint8 `[N, height, width, channels]`, its outputs are `latents` float32
    `[N, latent_dim]` and, of conditional models, `logits` float32 `[N, classes]`.
    """
    image, number = manifest.image, TensorProto.FLOAT
    sides = (image.height, image.width, image.channels)
    outputs: Interface = {"latents": (number, (None, manifest.latent_dim))}
    if manifest.num_classes:
        outputs["logits"] = (number, (None, manifest.num_classes))
    try:
        inputs: Interface = {"pictures": (TensorProto.UINT8, (None, *sides))}
        proto = _checked(encoder, manifest, inputs, outputs, limits)
        check_values(infer_values(without_weights(proto)), limits.value_elements)
    except BundleError as error:
        raise BundleError(error.reason, str(error).replace("model.onnx", ENCODER)) from None


def _checked(
    model: bytes, manifest: Manifest, inputs: Interface, outputs: Interface, limits: Limits
) -> ModelProto:
    """Parse a model after all checks but those of the sizes of intermediate values."""
    check_wire(model, limits.graph_fields)
    proto = _parse(model)
    _check_versions(proto, manifest.opset)
    _check_operators(proto.graph)
    check_constants(constants_of(proto.graph))
    check_halves(proto.graph)
    _check_interface(proto.graph, inputs, outputs)
    return proto


def _parse(model: bytes) -> ModelProto:
    try:
        return onnx.load_model_from_string(model)
    except Exception as error:  # the error class belongs to protobuf, a dependency of onnx
        raise BundleError("graph_unreadable", f"model.onnx is no ONNX: {error}") from None


def _check_versions(proto: ModelProto, opset: int) -> None:
    if proto.ir_version not in IR_VERSIONS:
        raise BundleError(
            "graph_version",
            f"model.onnx has IR version {proto.ir_version}; allowed are {_span(IR_VERSIONS)}",
        )
    domains = [entry.domain for entry in proto.opset_import]
    if domains != [""]:
        raise BundleError(
            "graph_operator", f"model.onnx imports {domains!r:.200}; only ONNX's own '' is allowed"
        )
    found = proto.opset_import[0].version
    if found != opset or opset not in OPSETS:
        raise BundleError(
            "graph_version",
            f"model.onnx has opset {found}, the manifest says {opset}; allowed are {_span(OPSETS)}",
        )


def _span(versions: range) -> str:
    return f"{versions.start} … {versions.stop - 1}"


def _check_operators(graph: GraphProto) -> None:
    for node in graph.node:
        if node.domain or node.op_type not in OPERATORS:
            operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise BundleError(
                "graph_operator",
                f"model.onnx uses {operator!r:.100}; allowed are {', '.join(sorted(OPERATORS))}",
            )


def constants_of(graph: GraphProto) -> Iterable[TensorProto]:
    """The constants of a graph: initializers, and tensors of `Constant` nodes."""
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def check_constants(constants: Iterable[TensorProto]) -> None:
    """Raise BundleError unless all have an allowed type and as many items as their shapes say."""
    for tensor in constants:
        if tensor.data_location != TensorProto.DEFAULT:
            raise BundleError(
                "graph_feature", f"constant {tensor.name!r:.100} is external data: not allowed"
            )
        if tensor.data_type not in CONSTANT_TYPES:
            raise BundleError(
                "graph_constant",
                f"constant {tensor.name!r:.100} has element type {tensor.data_type};"
                f" allowed are {sorted(CONSTANT_TYPES)}",
            )
        item_bytes, field = CONSTANT_TYPES[tensor.data_type]
        raw, items = len(tensor.raw_data) / item_bytes, len(getattr(tensor, field))
        stored, split = raw + items, raw and items
        if split or min(tensor.dims, default=0) < 0 or stored != math.prod(tensor.dims):
            raise BundleError(
                "graph_constant",
                f"constant {tensor.name!r:.100} holds {stored:g} items"
                f" and says that its shape is {list(tensor.dims)!r:.100}",
            )


def check_halves(graph: GraphProto) -> None:
    """Raise BundleError unless float16 constants are weights that are only cast to float32."""
    halves = {each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT16}
    for node in graph.node:
        if any(each.t.data_type == TensorProto.FLOAT16 for each in node.attribute):
            raise BundleError(
                "graph_constant",
                f"a {node.op_type} of model.onnx holds float16; only initializers may",
            )
        read = halves.intersection(node.input)
        if read and not casts_to_float32(node):
            raise BundleError(
                "graph_constant",
                f"a {node.op_type} of model.onnx reads the float16 constant {min(read)!r:.100};"
                " only a Cast to float32 may",
            )


def casts_to_float32(node: NodeProto) -> bool:
    """Whether a node casts its input to float32."""
    return node.op_type == "Cast" and any(
        each.name == "to" and each.i == TensorProto.FLOAT for each in node.attribute
    )


def _check_interface(graph: GraphProto, inputs: Interface, outputs: Interface) -> None:
    _check_ends("inputs", graph.input, inputs)
    _check_ends("outputs", graph.output, outputs)
    fixed = {tensor.name for tensor in graph.initializer} & set(inputs)
    if fixed:
        raise BundleError("graph_interface", f"model.onnx has constants for inputs: {fixed}")


def _interface(tensors: Iterable[Tensor]) -> Interface:
    return {tensor.name: (ELEMENT_TYPES[tensor.dtype], tensor.sizes) for tensor in tensors}


def _check_ends(kind: str, values: Iterable[ValueInfoProto], expected: Interface) -> None:
    found = sorted((value.name, _signature(value)) for value in values)
    if found != sorted(expected.items()):
        raise BundleError(
            "graph_interface",
            f"model.onnx has {kind} {_text(found)}; the manifest says {_text(expected.items())}",
        )


def _signature(value: ValueInfoProto) -> tuple[int, tuple[int | None, ...]]:
    tensor = value.type.tensor_type
    sizes = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    return tensor.elem_type, sizes


def _text(ends: Iterable[tuple[str, tuple[int, tuple[int | None, ...]]]]) -> str:
    """Format an interface for messages: `latents FLOAT [N, 64]`."""
    types = dict(zip(TensorProto.DataType.values(), TensorProto.DataType.keys(), strict=True))
    described = [
        f"{name} {types.get(kind, kind)} [{', '.join('N' if s is None else str(s) for s in sizes)}]"
        for name, (kind, sizes) in ends
    ]
    return f"{'; '.join(described) or 'none':.300}"


def _fix_sides(graph: GraphProto, manifest: Manifest) -> None:
    """Set the sides of pictures to a large tile, so that shape inference finds all sizes."""
    if manifest.pictures is None:
        return
    for values, scale in ((graph.input, 1), (graph.output, manifest.pictures.scale)):
        for value in values:
            for dim in value.type.tensor_type.shape.dim[1:3]:
                dim.dim_value = scale * LARGE_TILE


def without_weights(proto: ModelProto) -> bytes:
    """Serialize the model with large float constants turned into inputs; modifies `proto`.

    ONNX's checker and shape inference copy the model several times but need only their shapes.
    """
    graph = proto.graph
    for number in reversed(range(len(graph.initializer))):
        tensor = graph.initializer[number]
        is_weight = tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
        if is_weight and math.prod(tensor.dims) > SMALL_ITEMS:
            kind, shape = tensor.data_type, list(tensor.dims)
            graph.input.append(helper.make_tensor_value_info(tensor.name, kind, shape))
            del graph.initializer[number]
    model: bytes = proto.SerializeToString()
    return model


def infer_values(model: bytes) -> ModelProto:
    """Run ONNX's checker, and infer the shape of every value."""
    try:
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        )
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        ValueError,
    ) as error:
        problem = " ".join(str(error).split())
        raise BundleError("graph_invalid", f"model.onnx is invalid: {problem:.300}") from None


def check_values(proto: ModelProto, element_limit: int) -> None:
    """Raise BundleError if a value has too many elements per image; free sizes count as 1."""
    for value in proto.graph.value_info:
        _, sizes = _signature(value)
        if math.prod(size or 1 for size in sizes) > element_limit:
            raise BundleError(
                "graph_too_large",
                f"value {value.name!r:.100} has shape {sizes}, over {element_limit} elements",
            )
