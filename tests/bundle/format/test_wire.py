import pytest
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, TensorProto, helper

from mirage.bundle.errors import BundleError
from mirage.bundle.format.wire import check_wire
from tests.bundles import Toy

FIELD_LIMIT = 1000
NODE = b"\x0a\x00"  # of a graph: an empty node
GRAPH = 7


def model_with(graph: bytes) -> bytes:
    return message(GRAPH, graph)


def message(field: int, content: bytes) -> bytes:
    """One length-delimited field, as protobuf writes it."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([0x80 | size & 0x7F])
        size >>= 7
    return bytes([field << 3 | 2]) + length + bytes([size]) + content


def passes(raw: bytes) -> bool:
    try:
        check_wire(raw, FIELD_LIMIT)
    except BundleError:
        return False
    return True


def refusal(raw: bytes) -> BundleError:
    with pytest.raises(BundleError) as caught:
        check_wire(raw, FIELD_LIMIT)
    return caught.value


@pytest.mark.parametrize("toy", [Toy(), Toy(labels=(), channels=4)])
def test_accepts_the_toy(toy: Toy) -> None:
    check_wire(toy.model().SerializeToString(), FIELD_LIMIT)


def test_rejects_every_truncation_within_a_field() -> None:
    """A truncation between two top-level fields is valid protobuf."""
    raw = Toy(labels=()).model().SerializeToString()
    assert [length for length in range(len(raw)) if passes(raw[:length])] == [0, 2, len(raw) - 6]


def with_function(model: ModelProto) -> None:
    model.functions.append(FunctionProto(name="f"))


def with_subgraph(model: ModelProto) -> None:
    body = helper.make_attribute("body", GraphProto(name="body"))
    model.graph.node[0].attribute.append(body)


def with_external_data(model: ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="../secret")


def with_sparse_initializer(model: ModelProto) -> None:
    model.graph.sparse_initializer.add()


def with_sparse_attribute(model: ModelProto) -> None:
    attribute = AttributeProto(name="sparse_value", type=AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.dims.append(1)
    model.graph.node[0].attribute.append(attribute)


def with_training(model: ModelProto) -> None:
    model.training_info.add()


def with_strings(model: ModelProto) -> None:
    model.graph.initializer.append(
        TensorProto(name="s", data_type=TensorProto.STRING, dims=[1], string_data=[b"x"])
    )


@pytest.mark.parametrize(
    ("add", "named"),
    [
        (with_function, "ModelProto.functions: functions"),
        (with_subgraph, "AttributeProto.g: subgraphs"),
        (with_external_data, "TensorProto.external_data: external data"),
        (with_sparse_initializer, "GraphProto.sparse_initializer: sparse tensors"),
        (with_sparse_attribute, "AttributeProto.sparse_tensor: sparse tensors"),
        (with_training, "ModelProto.training_info: this"),
        (with_strings, "TensorProto.string_data: this"),
    ],
)
def test_names_a_feature_that_is_not_allowed(add: object, named: str) -> None:
    model = Toy().model()
    assert callable(add)
    add(model)
    error = refusal(model.SerializeToString())
    assert error.reason == "graph_feature"
    assert named in str(error)


def test_rejects_unknown_fields() -> None:
    error = refusal(Toy().model().SerializeToString() + message(15, b"?"))
    assert error.reason == "graph_feature"
    assert "ModelProto.field 15" in str(error)


def test_rejects_text_that_is_not_utf8() -> None:
    error = refusal(message(2, b"\xff"))
    assert error.reason == "graph_unreadable"
    assert "ModelProto.producer_name is not UTF-8" in str(error)


@pytest.mark.parametrize("raw", [b"\x0b", b"\x80", b"\x3a\xff\xff", b"\x08" + b"\xff" * 11])
def test_rejects_other_bytes_than_protobuf(raw: bytes) -> None:
    assert refusal(raw).reason == "graph_unreadable"


@pytest.mark.parametrize(
    "graph",
    [
        NODE * (FIELD_LIMIT + 1),
        message(1, b"\x0a\x00" * (FIELD_LIMIT + 1)),  # one node with many unnamed inputs
        message(5, message(1, bytes(FIELD_LIMIT + 1))),  # one constant with many dimensions
        message(5, message(7, b"") * (FIELD_LIMIT + 1)),  # one constant with many empty data fields
    ],
)
def test_bounds_the_objects_that_a_small_file_creates(graph: bytes) -> None:
    assert refusal(model_with(graph)).reason == "graph_too_large"
