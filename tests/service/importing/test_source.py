"""Files from outside: every fault is refused in words, and nothing outside the folder is read."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from mirage.bundle.errors import BundleError
from mirage.bundle.format.limits import DEFAULT_LIMITS, Limits
from mirage.bundle.format.verify import load_bundle
from mirage.service.importing.card import Origin
from mirage.service.importing.errors import ChoiceError, ReplayError
from mirage.service.importing.importer import import_generator
from mirage.service.importing.ports import Choices
from mirage.service.importing.source import read_source
from tests.service.importing.graphs import generator


def write(path: Path, model: ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def externalized(path: Path, **entries: object) -> Path:
    """A model whose `weight` lies in `weights.bin`, described by `entries`."""
    model = generator()
    weight = model.graph.initializer[0]
    (path.parent / "weights.bin").write_bytes(b"pad " + weight.raw_data)
    set_external_data(weight, **({"location": "weights.bin", "offset": 4} | entries))  # type: ignore[arg-type]
    weight.ClearField("raw_data")
    return write(path, model)


def refusal(path: Path, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(BundleError) as caught:
        read_source(path, limits)
    return f"{caught.value.reason}: {caught.value}"


def test_external_data_are_merged_and_hashed(tmp_path: Path) -> None:
    source = read_source(externalized(tmp_path / "a.onnx"))
    assert list(source.hashes) == ["a.onnx", "weights.bin"]
    expected = numpy_helper.to_array(generator().graph.initializer[0])
    merged = source.model.graph.initializer[0]
    np.testing.assert_array_equal(numpy_helper.to_array(merged), expected)
    assert merged.data_location == TensorProto.DEFAULT


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"location": "../weights.bin"}, "location '../weights.bin'; a name in the model's folder"),
        ({"location": "/etc/passwd"}, "location '/etc/passwd'"),
        ({"location": "a\0b"}, "location 'a\\x00b'"),
        ({"location": ""}, "location ''"),
        ({"location": ".."}, "file_unreadable: .. cannot be read"),
        ({"location": "missing.bin"}, "file_missing: missing.bin is missing"),
        ({"offset": -4}, "offset '-4'; a number of bytes"),
        ({"offset": 10**30}, "a number of bytes"),
        ({"offset": 8}, "1496 bytes at 8 of 'weights.bin'; 1500"),
        ({"length": 3}, "length 3; 1500, as its shape says"),
    ],
)
def test_external_data_elsewhere_or_of_another_size_are_refused(
    entries: dict[str, object], told: str, tmp_path: Path
) -> None:
    assert told in refusal(externalized(tmp_path / "a.onnx", **entries))


def test_links_to_external_data_are_refused(tmp_path: Path) -> None:
    path = externalized(tmp_path / "a.onnx")
    secret = tmp_path / "secret"
    (tmp_path / "weights.bin").rename(secret)
    (tmp_path / "weights.bin").symlink_to(secret)
    assert refusal(path).startswith("file_link: weights.bin is a symbolic link")


def test_the_model_with_its_external_data_is_bounded(tmp_path: Path) -> None:
    path = externalized(tmp_path / "a.onnx")
    size = path.stat().st_size
    assert "file_too_large: " in refusal(path, Limits(model_bytes=size - 1))
    assert "file_too_large: weights.bin" in refusal(path, Limits(model_bytes=1503))
    assert "has over 1600 bytes with its external data" in refusal(path, Limits(model_bytes=1600))


def test_dimensions_that_the_data_do_not_have_are_refused(tmp_path: Path) -> None:
    model = generator()
    model.graph.initializer[0].dims[:] = [2**40, 2**20]
    assert refusal(write(tmp_path / "a.onnx", model)).startswith("graph_constant: ")
    model.graph.initializer[0].dims[:] = [-5, -75]
    assert refusal(write(tmp_path / "a.onnx", model)).startswith("graph_constant: ")


def test_double_precision_is_refused_by_its_type(tmp_path: Path) -> None:
    double = {"double": np.zeros(3, np.float64)}
    told = refusal(write(tmp_path / "a.onnx", generator(constants=double)))
    assert "constant 'double' has element type 11; allowed are" in told


def test_a_model_that_computes_in_half_precision_is_refused(tmp_path: Path) -> None:
    model = generator(constants={"half": np.zeros(3, np.float16)})
    model.graph.node.append(helper.make_node("Neg", ["half"], ["negated"]))
    told = refusal(write(tmp_path / "a.onnx", model))
    assert "a Neg of model.onnx reads the float16 constant 'half'" in told


def test_weights_in_half_precision_that_are_cast_to_float32_are_imported(tmp_path: Path) -> None:
    model = generator()
    weight = model.graph.initializer[0]
    half, name = numpy_helper.to_array(weight).astype(np.float16), weight.name
    weight.CopyFrom(numpy_helper.from_array(half, "half"))
    cast = helper.make_node("Cast", ["half"], [name], to=TensorProto.FLOAT)
    model.graph.node.insert(0, cast)
    path = write(tmp_path / "a.onnx", model)
    import_generator(path, tmp_path / "models" / "cats", SYMMETRIC, Origin("mit"))
    bundle = load_bundle(tmp_path / "models" / "cats" / "1")
    graph = onnx.load_model_from_string(bundle.model).graph
    assert TensorProto.FLOAT16 in {each.data_type for each in graph.initializer}


@pytest.mark.parametrize("name", ["folder", "missing"])
def test_what_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / name) == f"not_found: {tmp_path / name} is no file"


def test_every_truncated_file_is_refused(tmp_path: Path) -> None:
    raw = generator().SerializeToString()
    path = tmp_path / "a.onnx"
    for size in range(0, len(raw), 37):
        path.write_bytes(raw[:size])
        with pytest.raises(BundleError):
            import_generator(path, tmp_path / "models" / "cats", SYMMETRIC, Origin("mit"))
    assert not (tmp_path / "models").exists()


SYMMETRIC = Choices(value_range=(-1, 1))
Damage = Callable[[bytes], bytes]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), damage=st.binary(min_size=1, max_size=4))
def test_any_damage_is_imported_or_refused_in_words(
    place: int, damage: bytes, tmp_path: Path
) -> None:
    raw = bytearray(generator().SerializeToString())
    place = place % 200 if place % 2 else len(raw) - 1 - place % 250  # the weights are in between
    raw[place : place + len(damage)] = damage
    path = tmp_path / "a.onnx"
    path.write_bytes(raw)
    with suppress(BundleError, ChoiceError, ReplayError):
        import_generator(path, tmp_path / "models" / "cats", SYMMETRIC, Origin("mit"))


def test_the_undamaged_graph_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    onnx.save(generator(), path)
    found = import_generator(path, tmp_path / "cats", SYMMETRIC, Origin("mit"))
    assert found.path.name == "1"
