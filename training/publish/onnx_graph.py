"""A PyTorch module as one ONNX file."""

import logging
import warnings
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from onnx import GraphProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from mirage.bundle.format.graph import SMALL_ITEMS
from mirage.training.errors import ExportError

OPSET = 20
GOLDEN_TOLERANCE = 1.0
"""Grey levels by which another engine's float32 may differ: one, where rounding tips over."""


def to_onnx(
    module: nn.Module,
    inputs: dict[str, Tensor],
    free: dict[int, torch.export.Dim],
    outputs: Sequence[str] = ("images",),
) -> bytes:
    """A module as ONNX; `free` are the axes of any size, `outputs` the names of its outputs.

    Weights that are the same in float16, as those of a bundle in half precision are, are stored in
    it and cast to float32, in which everything is computed.
    """
    # it would tell at length that torchvision, which nothing here needs, is not there
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dict.fromkeys(inputs, free),
        )
    if program is None:  # only the exporter without dynamo answers nothing
        raise ExportError("the exporter made no graph")
    model = program.model_proto
    _strip(model)
    _halve_exact_weights(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _strip(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes of its own sources: stack traces and names of files."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.doc_string = ""
        del part.metadata_props[:]
    for tensor in graph.initializer:
        tensor.doc_string = ""
    del graph.value_info[:]


def _halve_exact_weights(graph: GraphProto) -> None:
    """Store large float32 weights that are exact in float16 as such, each with a cast."""
    casts = []
    for tensor in graph.initializer:
        name, half = tensor.name, _exact_half(tensor)
        if half is not None:
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_float16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _exact_half(tensor: TensorProto) -> np.ndarray | None:
    """The values of large float32 weights in float16, or None if that changes one."""
    values = numpy_helper.to_array(tensor)
    if values.dtype != np.float32 or values.size <= SMALL_ITEMS:
        return None
    with np.errstate(over="ignore"):  # infinite values differ
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else None
