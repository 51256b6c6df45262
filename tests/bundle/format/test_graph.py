from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from mirage.bundle.errors import BundleError
from mirage.bundle.format.graph import OPERATORS, SMALL_ITEMS, check_graph
from mirage.bundle.format.interface import Image, generator_tensors
from mirage.bundle.format.limits import DEFAULT_LIMITS, Limits
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import read_manifest
from tests.bundles import Channels, Toy, make_bundle

Change = Callable[[ModelProto], object]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_manifest(make_bundle(tmp_path_factory.mktemp("models")))


def refusal(model: bytes, manifest: Manifest, limits: Limits = DEFAULT_LIMITS) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        check_graph(model, manifest, limits)
    return caught.value.reason, str(caught.value)


def changed(change: Change) -> bytes:
    model = Toy().model()
    change(model)
    return bytes(model.SerializeToString())


def rename_operator(operator: str, domain: str, model: ModelProto) -> None:
    model.graph.node[0].op_type = operator
    model.graph.node[0].domain = domain


def add_loop(model: ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["shape"], ["looped"], body=body))


def set_size(place: int, size: int | None, model: ModelProto) -> None:
    """Change one size of the input `latents`; None makes it free."""
    dim = model.graph.input[0].type.tensor_type.shape.dim[place]
    dim.Clear()
    if size is None:
        dim.dim_param = "M"
    else:
        dim.dim_value = size


def set_output(channels: int, model: ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[3].dim_value = channels


def set_element_type(kind: int, model: ModelProto) -> None:
    model.graph.output[0].type.tensor_type.elem_type = kind


def fix_input(model: ModelProto) -> None:
    latents = np.zeros((1, 5), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(latents, "latents"))


def add_import(domain: str, model: ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid(domain, 1))


def set_opset(version: int, model: ModelProto) -> None:
    model.opset_import[0].version = version


def store_constant(dtype: type[np.floating], model: ModelProto) -> None:
    weight = numpy_helper.to_array(model.graph.initializer[0])
    other = numpy_helper.from_array(weight.astype(dtype), "weight")
    model.graph.initializer[0].CopyFrom(other)


def cast_constant(kind: int, model: ModelProto) -> None:
    """Store the weight in float16, and cast it to another type before it is used."""
    store_constant(np.float16, model)
    model.graph.initializer[0].name = "half"
    model.graph.node.insert(0, helper.make_node("Cast", ["half"], ["weight"], to=kind))


def hold_half(model: ModelProto) -> None:
    half = numpy_helper.from_array(np.zeros(3, np.float16))
    model.graph.node.append(helper.make_node("Constant", [], ["held"], value=half))


def shorten_constant(model: ModelProto) -> None:
    model.graph.initializer[0].raw_data = b"1234"


def negate_sizes(model: ModelProto) -> None:
    sizes = model.graph.initializer[0].dims
    sizes[0], sizes[1] = -sizes[0], -sizes[1]


def point_outside(model: ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def store_twice(model: ModelProto) -> None:
    """Store half of the items as bytes, the other half as numbers."""
    weight = model.graph.initializer[0]
    floats = np.frombuffer(weight.raw_data, np.float32)
    weight.raw_data = floats[:240].tobytes()
    weight.float_data.extend(floats[240:].tolist())


def repeat_constant(model: ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def cut_wire(model: ModelProto) -> None:
    model.graph.node[-1].input[0] = "nothing"


def mismatch_sum(model: ModelProto) -> None:
    narrow = np.zeros((10, 7), np.float32)
    model.graph.initializer[-1].CopyFrom(numpy_helper.from_array(narrow, "style"))


@pytest.mark.parametrize("small_items", [0, SMALL_ITEMS])
@pytest.mark.parametrize(
    ("change", "reason", "named"),
    [
        (partial(rename_operator, "RandomNormal", ""), "graph_operator", "uses 'RandomNormal'"),
        (partial(rename_operator, "If", ""), "graph_operator", "uses 'If'"),
        (partial(rename_operator, "NonZero", ""), "graph_operator", "allowed are Abs"),
        (partial(rename_operator, "Gemm", "com.x"), "graph_operator", "uses 'com.x.Gemm'"),
        (add_loop, "graph_feature", "subgraphs"),
        (partial(add_import, "com.microsoft"), "graph_operator", "only ONNX's own"),
        (partial(add_import, ""), "graph_operator", "only ONNX's own"),
        (partial(set_opset, 21), "graph_version", "has opset 21, the manifest says 20"),
        (lambda m: setattr(m, "ir_version", 11), "graph_version", "IR version 11; allowed are 8"),
        (lambda m: m.ClearField("opset_import"), "graph_operator", "imports []"),
        (partial(set_size, 1, 6), "graph_interface", "latents FLOAT [N, 6]"),
        (partial(set_size, 1, None), "graph_interface", "latents FLOAT [N, N]"),
        (partial(set_size, 0, 8), "graph_interface", "latents FLOAT [8, 5]; the manifest says"),
        (lambda m: m.graph.input.pop(), "graph_interface", "inputs latents FLOAT [N, 5]; the man"),
        (lambda m: m.graph.input.append(m.graph.input[0]), "graph_interface", "has inputs"),
        (fix_input, "graph_interface", "constants for inputs: {'latents'}"),
        (partial(set_output, 3), "graph_interface", "images UINT8 [N, 8, 12, 3]"),
        (partial(set_element_type, TensorProto.FLOAT), "graph_interface", "images FLOAT"),
        (partial(set_element_type, 99), "graph_interface", "images 99"),
        (lambda m: m.graph.ClearField("output"), "graph_interface", "outputs none"),
        (partial(store_constant, np.float64), "graph_constant", "'weight' has element type 11"),
        (partial(store_constant, np.float16), "graph_constant", "a Gemm of model.onnx reads the"),
        (partial(cast_constant, TensorProto.FLOAT16), "graph_constant", "constant 'half'; only a"),
        (hold_half, "graph_constant", "a Constant of model.onnx holds float16"),
        (shorten_constant, "graph_constant", "'weight' holds 1 items"),
        (negate_sizes, "graph_constant", "[-5, -96]"),
        (store_twice, "graph_constant", "'weight' holds 480 items"),
        (repeat_constant, "graph_invalid", "weight"),
        (point_outside, "graph_feature", "'weight' is external data"),
        (cut_wire, "graph_invalid", "nothing"),
        (mismatch_sum, "graph_invalid", "is invalid"),
        (lambda m: m.graph.ClearField("node"), "graph_invalid", "is invalid"),
    ],
)
def test_rejects_a_hostile_graph(
    change: Change,
    reason: str,
    named: str,
    small_items: int,
    manifest: Manifest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The size of constants does not matter."""
    monkeypatch.setattr("mirage.bundle.format.graph.SMALL_ITEMS", small_items)
    found, message = refusal(changed(change), manifest)
    assert found == reason
    assert named in message
    assert "\n" not in message


HARMLESS: dict[str, Change] = {
    "none": lambda model: None,
    "location": lambda m: setattr(m.graph.initializer[0], "data_location", TensorProto.DEFAULT),
    "older": lambda model: setattr(model, "ir_version", 9),
    "note": lambda model: model.metadata_props.add(key="made by", value="a test"),
    "float16": partial(cast_constant, TensorProto.FLOAT),
}


@pytest.mark.parametrize("small_items", [0, SMALL_ITEMS])
@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_accepts_harmless_variations(
    change: Change, small_items: int, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirage.bundle.format.graph.SMALL_ITEMS", small_items)
    check_graph(changed(change), manifest, DEFAULT_LIMITS)


def test_inputs_and_outputs_follow_the_manifest(manifest: Manifest) -> None:
    colour = manifest.model_copy(
        update={"labels": (), **generator_tensors(5, 0, Image(height=8, width=12, channels=3))}
    )
    check_graph(Toy(labels=(), channels=3).model().SerializeToString(), colour, DEFAULT_LIMITS)
    assert refusal(changed(lambda m: None), colour)[0] == "graph_interface"


def test_rejects_a_huge_value_per_image(manifest: Manifest) -> None:
    def enlarge(model: ModelProto) -> None:
        shape = np.array([2**20, 2**20], np.int64)
        model.graph.initializer.append(numpy_helper.from_array(shape, "huge"))
        model.graph.node.append(helper.make_node("Expand", ["low", "huge"], ["expanded"]))

    reason, message = refusal(changed(enlarge), manifest)
    assert reason == "graph_too_large"
    assert "'expanded' has shape (1048576, 1048576)" in message


def test_rejects_a_graph_with_too_many_fields(manifest: Manifest) -> None:
    limits = Limits(graph_fields=50)
    assert refusal(changed(lambda m: None), manifest, limits)[0] == "graph_too_large"


def test_rejects_an_unknown_opset(manifest: Manifest) -> None:
    newer = manifest.model_copy(update={"opset": 21})
    assert refusal(changed(partial(set_opset, 21)), newer)[0] == "graph_version"


def test_allowed_operators_exist_and_have_no_subgraphs() -> None:
    for operator in OPERATORS:
        schema = onnx.defs.get_schema(operator, 20)
        kinds = {attribute.type for attribute in schema.attributes.values()}
        assert onnx.defs.OpSchema.AttrType.GRAPH not in kinds


@pytest.mark.parametrize("variant", ["none", "float16"])
@given(place=st.integers(0, 10_000), damage=st.binary(min_size=1, max_size=4))
def test_any_damage_passes_or_gives_a_graph_error(
    variant: str, place: int, damage: bytes, manifest: Manifest
) -> None:
    raw = bytearray(changed(HARMLESS[variant]))
    place = place % 700 if place % 2 else len(raw) - 1 - place % 700  # the weights are in between
    raw[place : place + len(damage)] = damage
    with suppress(BundleError):
        check_graph(bytes(raw), manifest, DEFAULT_LIMITS)


@pytest.mark.parametrize("labels", [("a", "b", "c"), ()])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_toy_graph_computes_the_toy_images(labels: tuple[str, ...], channels: Channels) -> None:
    toy = Toy(labels=labels, channels=channels)
    (golden,) = toy.golden().cases
    images = np.asarray(ReferenceEvaluator(toy.model()).run(None, golden.inputs)[0])  # type: ignore[index]
    assert images.dtype == np.uint8
    np.testing.assert_allclose(images.astype(int), golden.output, atol=1)
    assert len(np.unique(images)) > 100
