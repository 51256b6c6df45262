"""The images that the source itself makes: what the bundle must reproduce."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from mirage.bundle.errors import BundleError
from mirage.service.importing.ports import NUMBERS, ImagesPort, Inputs
from mirage.service.importing.wrapping import fixed_array, scaling

Array = NDArray[Any]
SLACK = 0.01  # of the range: how far outside values may lie, as those of a tanh never do


@dataclass(frozen=True)
class ReferenceImages:
    """Images uint8 `[N, H, W, C]`, and the share of values that lay outside the range, 0 … 1."""

    images: NDArray[np.uint8]
    outside: float


def run_source(
    model: ModelProto, ports: Inputs, inputs: Mapping[str, Array], threads: int
) -> Array:
    """Return the output of the source, in its own opset and without optimizations.

    Images are made one at a time, so none can depend on others of its batch, or in batches of the
    fixed size. inputs: `latents` float32 `[N, D]`, and `labels` int64 `[N]` of conditional graphs.
    Raises BundleError `graph_invalid` if it cannot run, or does not make N items.
    """
    session = _session(model, threads)
    batch, count = ports.batch or 1, len(inputs["latents"])
    parts = []
    for start in range(0, count, batch):
        # Repeats fill the last batch of a graph whose batch size is fixed.
        rows = {name: _filled(each[start : start + batch], batch) for name, each in inputs.items()}
        values = _run(session, dict(_feed(ports, rows)))
        if values.shape[:1] != (batch,):
            raise BundleError(
                "graph_invalid",
                f"the graph makes {list(values.shape)!r:.100} of {batch} latents; its first axis"
                f" must be {batch}",
            )
        parts.append(values[: count - start])
    return np.concatenate(parts)


def to_images(values: Array, port: ImagesPort) -> ReferenceImages:
    """Turn the output of the source to images; raises BundleError for NaN and infinity."""
    outside = 0.0
    if port.value_range is not None:
        if not np.isfinite(values).all():
            raise BundleError("graph_invalid", "the graph makes NaN or infinity of golden latents")
        black, scale = scaling(port.value_range)
        with np.errstate(over="ignore"):  # of huge values, which are clipped
            levels = (values - black) * scale
        outside = float(np.mean((levels < -255 * SLACK) | (levels > 255 * (1 + SLACK))))
        values = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    if port.channels_first:
        values = values.transpose(0, 2, 3, 1)
    return ReferenceImages(np.ascontiguousarray(values), outside)


def _session(model: ModelProto, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions share no narrower base class
        raise BundleError("graph_invalid", f"onnxruntime rejects the graph: {error}") from None


def _filled(rows: Array, count: int) -> Array:
    return np.resize(rows, (count, *rows.shape[1:]))


def _run(session: onnxruntime.InferenceSession, feed: dict[str, Array]) -> Array:
    try:
        return np.asarray(session.run(None, feed)[0])
    except Exception as error:  # as above
        raise BundleError("graph_invalid", f"onnxruntime cannot run the graph: {error}") from None


def _feed(ports: Inputs, rows: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    latents, labels = rows["latents"], rows.get("labels")
    yield ports.latents.name, latents.reshape(len(latents), *ports.latents.axes)
    if ports.labels is not None and labels is not None:
        kind = np.dtype(NUMBERS[ports.labels.elem_type])
        if ports.is_one_hot:
            yield ports.labels.name, np.eye(len(ports.class_names), dtype=kind)[labels]
        else:
            yield ports.labels.name, labels.astype(kind).reshape(-1, *ports.labels.axes)
    for fixed in ports.fixed:
        yield fixed.name, fixed_array(fixed)
