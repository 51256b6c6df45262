"""What inputs and outputs may be, and what is said of others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from mirage.bundle.errors import BundleError
from mirage.bundle.format.verify import load_bundle
from mirage.service.importing.card import Origin
from mirage.service.importing.errors import ChoiceError, ReplayError
from mirage.service.importing.importer import import_generator
from mirage.service.importing.ports import Choices
from tests.service.importing.graphs import Sizes, generator

SYMMETRIC = Choices(value_range=(-1, 1))
Node = NodeProto


def told(tmp_path: Path, choices: Choices = SYMMETRIC, **graph: object) -> str:
    """What is said of a graph that is refused."""
    path = tmp_path / "a.onnx"
    path.write_bytes(generator(**graph).SerializeToString())  # type: ignore[arg-type]
    with pytest.raises((BundleError, ChoiceError, ReplayError)) as caught:
        import_generator(path, tmp_path / "models" / "cats", choices, Origin("mit"))
    assert not (tmp_path / "models").exists()
    return str(caught.value)


def value(name: str, kind: int, shape: Sizes) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (Choices(latents="noise"), "--latents is 'noise'; the graph has 'z'"),
        (Choices(images="image"), "--images is 'image'; the graph has 'out'"),
        (Choices(latents="z", labels="y"), "--labels is 'y'; the graph has 'none'"),
        (Choices(classes=3), "--labels is not given; the graph has 'none' beside"),
        (Choices(fixed={"psi": 1}), "--set names 'psi'; the graph has 'none'"),
        (Choices(), "--range is not given; --images is out float32 ['N', 3, 5, 5], so BLACK:WHITE"),
    ],
)
def test_options_that_do_not_fit(choices: Choices, words: str, tmp_path: Path) -> None:
    assert words in told(tmp_path, choices)


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        (("N", "D"), "--latents is z FLOAT [?, ?]; FLOAT [N, D] or [N, D, 1, 1] is allowed"),
        (("N", 2**40), "D in 1 … 65536"),
        (("N", 5, 2, 2), "--latents is z FLOAT [?, 5, 2, 2]"),
        ((), "--latents is z FLOAT []"),
        ((2**31, 5), "a first axis that is free or 1 … 64 is allowed"),
        ((0, 5), "a first axis that is free or 1 … 64 is allowed"),
    ],
)
def test_latents_of_other_shapes(latents: Sizes, words: str, tmp_path: Path) -> None:
    flat = helper.make_node("Reshape", ["z", "flat"], ["flat_z"])
    constants = {"flat": np.array([-1, 5], np.int64)}

    def use(model: object) -> None:
        model.graph.node[1].input[0] = "flat_z"  # type: ignore[attr-defined]

    assert words in told(tmp_path, latents=latents, nodes=[flat], constants=constants, change=use)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((-1, 75), "--images is out float32 ['N', 75]; float32 or uint8 [N, C, H, W]"),
        ((-1, 2, 5, 5), "no axis could be those: give --layout nchw or nhwc"),
        ((-1, 3, 5, 3), "two axes could be those: give --layout nchw or nhwc"),
        ((3, -1, 5, 5), "its first axis must be 1"),
    ],
)
def test_images_of_other_shapes(shape: Sequence[int], words: str, tmp_path: Path) -> None:
    images = ["N", *[None] * (len(shape) - 1)]
    assert words in told(tmp_path, shape=shape, images=images)


def test_a_layout_of_two_channels(tmp_path: Path) -> None:
    choices = Choices(value_range=(-1, 1), layout="nchw")
    assert "channels" in told(tmp_path, choices, shape=(-1, 2, 5, 5), images=("N", 2, 5, 5))


@pytest.mark.parametrize("opset", [9, 12, 21])
def test_other_opsets(opset: int, tmp_path: Path) -> None:
    assert f"the graph has opset {opset}; 13 … 20 are allowed" in told(tmp_path, opset=opset)


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        ("RandomNormalLike", "it is random, so a seed would not determine an image"),
        ("Dropout", "export the network in evaluation mode"),
        ("NonZero", "allowed are Abs, Add, "),
    ],
)
def test_other_operators_are_refused_by_name(operator: str, words: str, tmp_path: Path) -> None:
    def pass_through(model: object) -> None:
        model.graph.node[1].input[0] = "odd"  # type: ignore[attr-defined]

    node = helper.make_node(operator, ["z"], ["odd"])
    found = told(tmp_path, nodes=[node], change=pass_through)
    assert f"the graph uses '{operator}'; " in found
    assert words in found


def test_operators_that_the_images_do_not_need_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    noise = helper.make_node("RandomNormalLike", ["z"], ["unused"])
    path.write_bytes(generator(nodes=[noise]).SerializeToString())
    found = import_generator(path, tmp_path / "cats", SYMMETRIC, Origin("mit"))
    assert load_bundle(found.path).manifest.latent_dim == 5


def test_values_of_huge_sizes_are_refused_before_they_are_made(tmp_path: Path) -> None:
    expand = helper.make_node("Expand", ["one", "sizes"], ["huge"])
    add = helper.make_node("ReduceMean", ["huge"], ["mean"], keepdims=0)
    plus = helper.make_node("Add", ["z", "mean"], ["shifted"])
    constants = {
        "one": np.ones((1, 1), np.float32),
        "sizes": np.array([2**20, 2**20], np.int64),
    }

    def use(model: object) -> None:
        model.graph.node[3].input[0] = "shifted"  # type: ignore[attr-defined]

    found = told(tmp_path, nodes=[expand, add, plus], constants=constants, change=use)
    assert "'huge' has shape (1048576, 1048576)" in found


def test_nan_is_refused(tmp_path: Path) -> None:
    def divide(model: object) -> None:
        model.graph.node[0].input[0] = "undefined"  # type: ignore[attr-defined]
        model.graph.node.insert(0, helper.make_node("Sqrt", ["z"], ["undefined"]))  # type: ignore[attr-defined]

    assert "makes NaN or infinity" in told(tmp_path, change=divide)


def with_labels(kind: int, shape: Sizes) -> object:
    def add(model: object) -> None:
        model.graph.input.append(value("y", kind, shape))  # type: ignore[attr-defined]
        cast = helper.make_node("Cast", ["y"], ["float_y"], to=TensorProto.FLOAT)
        total = helper.make_node("ReduceMean", ["float_y"], ["mean"], keepdims=0)
        plus = helper.make_node("Add", ["z", "mean"], ["shifted"])
        model.graph.node[0].input[0] = "shifted"  # type: ignore[attr-defined]
        for node in (plus, total, cast):
            model.graph.node.insert(0, node)  # type: ignore[attr-defined]

    return add


LABELLED = Choices(latents="z", labels="y", value_range=(-1, 1))


@pytest.mark.parametrize(
    ("kind", "shape", "words"),
    [
        (TensorProto.FLOAT, ["N"], "--labels is y FLOAT [?]; class indices INT64 or INT32 [N]"),
        (TensorProto.FLOAT, ["N", 2**33], "--labels is y FLOAT [?, 8589934592]"),
        (TensorProto.FLOAT, ["N", "C"], "--labels is y FLOAT [?, ?]"),
        (TensorProto.BOOL, ["N", 7], "--labels is y BOOL [?, 7]"),
        (TensorProto.INT64, ["N"], "--classes is not given; 'y' holds indices"),
        (TensorProto.INT64, [], "--labels is y INT64 []"),
    ],
)
def test_labels_of_other_kinds(kind: int, shape: Sizes, words: str, tmp_path: Path) -> None:
    assert words in told(tmp_path, LABELLED, change=with_labels(kind, shape))


def test_an_input_without_a_meaning_is_named(tmp_path: Path) -> None:
    choices = Choices(latents="z", value_range=(-1, 1))
    change = with_labels(TensorProto.FLOAT, [])
    assert "input y FLOAT [] has no meaning; name it with --labels, or give" in told(
        tmp_path, choices, change=change
    )


def test_a_number_of_classes_that_differs(tmp_path: Path) -> None:
    choices = Choices(latents="z", labels="y", classes=3, value_range=(-1, 1))
    change = with_labels(TensorProto.FLOAT, ["N", 7])
    assert "--classes says 3; 'y' has 7" in told(tmp_path, choices, change=change)
