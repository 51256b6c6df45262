"""Execution providers of onnxruntime, and how many sessions each runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mirage.service.host import available_cpus, instruction_set
from mirage.service.settings import Settings

Name = Literal["cpu", "openvino", "cuda"]
Precision = Literal["float32", "tensorfloat32", "float16", "bfloat16"]
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # instructions that multiply it


@dataclass(frozen=True)
class Provider:
    """What onnxruntime calls it, and what it can do.

    `pads`: whether batches are filled up, so that all have one size.
    `decomposes`: whether transposed convolutions run quicker as plain ones.
    `takes_pictures`: whether one engine runs pictures of any size.
    """

    onnx_name: str
    pads: bool = False
    decomposes: bool = False
    takes_pictures: bool = True


PROVIDERS: dict[Name, Provider] = {
    "cuda": Provider("CUDAExecutionProvider", pads=True, takes_pictures=False),
    "openvino": Provider("OpenVINOExecutionProvider"),
    "cpu": Provider("CPUExecutionProvider", decomposes=True),
}


@dataclass(frozen=True)
class ProviderConfig:
    """How an engine runs."""

    provider: Name
    precision: Precision = "float32"

    def __str__(self) -> str:
        return f"{self.provider} in {self.precision}"


QUICKEST_FIRST = (
    ProviderConfig("cuda", "float16"),
    ProviderConfig("cuda", "tensorfloat32"),
    ProviderConfig("cuda"),
    ProviderConfig("openvino", "bfloat16"),
    ProviderConfig("cpu"),
    ProviderConfig("openvino"),
)


def kinds(
    provider: str, precision: str, available: Sequence[str], instructions: str = ""
) -> list[ProviderConfig]:
    """The kinds that settings allow, the quickest first.

    `auto` allows every provider that this onnxruntime has (`available`, by its names), and every
    precision in which the provider runs and which the processor multiplies. An explicit provider is
    answered as it is asked for, so that the engine can tell what is missing.
    """
    knows = set((instructions or instruction_set()).split())
    return [
        kind
        for kind in QUICKEST_FIRST
        if provider == kind.provider
        or (provider == "auto" and PROVIDERS[kind.provider].onnx_name in available)
        if precision in ("auto", kind.precision)
        if kind.precision != "bfloat16" or knows & BFLOAT16
    ]


def provider_options(
    kind: ProviderConfig, threads: int, device: int = 0, stream: int = 0, gpu_bytes: int = 0
) -> dict[str, Any]:
    """What onnxruntime is told beside the provider's name.

    `threads` are compute threads of a processor; `device` is the number of a GPU, `stream` the
    address of a stream of it, and `gpu_bytes` what may be taken of its memory, 0 for all.
    """
    if kind.provider == "cuda":
        return {
            "device_id": device,
            "user_compute_stream": str(stream),
            "use_tf32": int(kind.precision == "tensorfloat32"),
            "prefer_nhwc": 1,  # as matrix units have it; else much time goes into turning it
            # The other searches time what there is, so that each start may end with another
            # algorithm, and images in other last bits.
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
            **({"gpu_mem_limit": gpu_bytes} if gpu_bytes else {}),
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


MOST = 8  # each lane holds the weights once more


@dataclass(frozen=True)
class Lanes:
    """`count` engines with `threads` compute threads each, spread over `gpus`.

    The lanes of `workers` take turns with the GPUs; these are those of number `worker`.
    """

    count: int
    threads: int
    gpus: int
    worker: int = 0
    workers: int = 1

    def device(self, lane: int) -> int:
        """The number of a lane's GPU."""
        return (self.worker + lane * self.workers) % self.gpus


def plan_lanes(
    kind: ProviderConfig, settings: Settings, worker: int = 0, workers: int = 1
) -> Lanes:
    """What the settings say; else a lane for each GPU, or for each CPU that is allowed.

    `settings` are those of worker number `worker`, whose share is less where there are several.
    One thread per lane loses nothing to waiting for others; a batch waits less for its turn.
    """
    cpus = settings.threads or available_cpus()
    if kind.provider == "cuda":
        chosen = -(-settings.gpus // workers)
    else:
        chosen = min(cpus, max(1, MOST // workers))  # of all workers as many as of one
    count = settings.lanes or chosen
    return Lanes(count, max(1, cpus // count), settings.gpus, worker, workers)
