"""onnxruntime's execution providers: how each is told to run, and in which precisions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from service.processor import instruction_set

Name = Literal["cpu", "openvino", "cuda"]
Precision = Literal["float32", "tensorfloat32", "bfloat16"]
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # instructions that multiply it


@dataclass(frozen=True)
class Provider:
    """What onnxruntime calls it, and what it can do.

    `precisions`: the quickest first. `pads`: whether batches are filled up to a few sizes, because
    each new size costs a preparation. `decomposes`: whether transposed convolutions run quicker as
    plain ones.
    """

    onnx_name: str
    precisions: tuple[Precision, ...]
    pads: bool = False
    decomposes: bool = False


PROVIDERS: dict[Name, Provider] = {  # the quickest first
    "cuda": Provider("CUDAExecutionProvider", ("tensorfloat32", "float32"), pads=True),
    "openvino": Provider("OpenVINOExecutionProvider", ("bfloat16", "float32")),
    "cpu": Provider("CPUExecutionProvider", ("float32",), decomposes=True),
}


@dataclass(frozen=True)
class Kind:
    """How an engine runs."""

    provider: Name
    precision: Precision = "float32"

    def __str__(self) -> str:
        return f"{self.provider} in {self.precision}"


def kinds(
    provider: str, precision: str, available: Sequence[str], instructions: str = ""
) -> list[Kind]:
    """The kinds that settings allow, the quickest first.

    `auto` allows every provider that this onnxruntime has (`available`, by its names), and every
    precision that the provider has and the processor multiplies. An explicit provider is answered
    as it is asked for, so that the engine can tell what is missing.
    """
    knows = set((instructions or instruction_set()).split())
    found = [
        Kind(name, possible)
        for name, traits in PROVIDERS.items()
        if provider == name or (provider == "auto" and traits.onnx_name in available)
        for possible in traits.precisions
        if precision in ("auto", possible)
    ]
    return [kind for kind in found if kind.precision != "bfloat16" or knows & BFLOAT16]


def provider_options(kind: Kind, threads: int, device: int) -> dict[str, Any]:
    """What onnxruntime is told beside the provider's name.

    `threads` are compute threads of a processor, `device` is the number of a GPU.
    """
    if kind.provider == "cuda":
        return {
            "device_id": device,
            "use_tf32": int(kind.precision == "tensorfloat32"),
            # An exhaustive search would stall the first batch of every size.
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        }
    if kind.provider == "openvino":
        hint = {"float32": "f32", "bfloat16": "bf16"}[kind.precision]
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": str(threads),
            "NUM_STREAMS": "1",
            "ENABLE_CPU_PINNING": "NO",  # beside threads that encode, and other lanes
        }
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": settings})}
    return {}
