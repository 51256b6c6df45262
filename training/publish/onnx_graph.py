"""A PyTorch module as one ONNX file."""

import logging
import warnings
from collections.abc import Sequence

import onnx
import torch
from torch import Tensor, nn

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
    """A module as ONNX; `free` are the axes of any size, `outputs` the names of its outputs."""
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
