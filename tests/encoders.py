"""Toy generators with an `encoder.onnx`: linear estimates of latents and class."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mirage.bundle.format.interface import ENCODER
from mirage.bundle.store.publish import new_version
from tests.bundles import IR_VERSION, OPSET, Toy, write_toy


def encoder_of(toy: Toy) -> onnx.ModelProto:
    """The graph: latents by least squares, and logits that grow with the likeness of the style."""
    styles = toy.style.reshape(len(toy.labels), toy.weight.shape[1])
    middle = toy.bias + (styles.mean(axis=0) if toy.labels else 0)
    back = np.linalg.pinv(toy.weight)
    constants = {"back": back, "offset": -middle @ back}
    outputs = {"latents": toy.latent_dim}
    nodes = [
        helper.make_node("Cast", ["pictures"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["rows"]),
        helper.make_node("Gemm", ["rows", "back", "offset"], ["latents"]),
    ]
    if toy.labels:
        constants |= {"styles": styles.T, "against": -styles @ toy.bias - (styles**2).sum(1) / 2}
        nodes.append(helper.make_node("Gemm", ["rows", "styles", "against"], ["logits"]))
        outputs["logits"] = len(toy.labels)
    pictures = helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", *toy.shape])
    graph = helper.make_graph(
        nodes,
        "encoder",
        [pictures],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size])
            for name, size in outputs.items()
        ],
        [
            numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in constants.items()
        ],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def publish_encoded(root: Path, toy: Toy, name: str = "toy") -> Path:
    """Publish a toy with its encoder as the next version of `name`; returns its folder."""
    with new_version(root, name) as draft:
        write_toy(draft.path, toy)
        (draft.path / ENCODER).write_bytes(encoder_of(toy).SerializeToString())
        return draft.publish(toy.description())
