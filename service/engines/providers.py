"""Execution providers of onnxruntime, their options, and the number of engines on each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mirage.service.host import available_cpus, instruction_set
from mirage.service.settings import Settings

Name = Literal["cpu", "openvino", "cuda"]
Precision = Literal["float32", "tensorfloat32", "float16", "bfloat16"]
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # instruction sets that multiply bfloat16


@dataclass(frozen=True)
class Provider:
    """Properties of an execution provider.

    `onnx_name`: its name in onnxruntime.
    `pads`: whether all batches are padded to one size.
    `decomposes`: whether transposed convolutions run faster as plain convolutions.
    `takes_pictures`: whether an engine runs pictures of any size.
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
    """The provider and precision that an engine runs with."""

    provider: Name
    precision: Precision = "float32"

    def __str__(self) -> str:
        return f"{self.provider} in {self.precision}"


FASTEST_FIRST = (
    ProviderConfig("cuda", "float16"),
    ProviderConfig("cuda", "tensorfloat32"),
    ProviderConfig("cuda"),
    ProviderConfig("openvino", "bfloat16"),
    ProviderConfig("cpu"),
    ProviderConfig("openvino"),
)


def provider_configs(
    provider: str, precision: str, available: Sequence[str], instructions: str = ""
) -> list[ProviderConfig]:
    """Return the configurations that the settings allow, the fastest first.

    The provider `auto` allows every provider in `available`, which lists onnxruntime's names; the
    precision `auto` allows every precision that the provider and the processor support. An explicit
    provider is returned even if it is not available: the engine reports what is missing.
    """
    supported = set((instructions or instruction_set()).split())
    return [
        config
        for config in FASTEST_FIRST
        if provider == config.provider
        or (provider == "auto" and PROVIDERS[config.provider].onnx_name in available)
        if precision in ("auto", config.precision)
        if config.precision != "bfloat16" or supported & BFLOAT16
    ]


def provider_options(
    config: ProviderConfig, threads: int, device: int = 0, stream: int = 0, gpu_bytes: int = 0
) -> dict[str, Any]:
    """Return onnxruntime's options of a provider.

    `threads` is the number of compute threads on CPUs, `device` the number of a GPU, `stream` the
    address of a CUDA stream, and `gpu_bytes` the limit on GPU memory; 0 means no limit.
    """
    if config.provider == "cuda":
        return {
            "device_id": device,
            "user_compute_stream": str(stream),
            "use_tf32": int(config.precision == "tensorfloat32"),
            "prefer_nhwc": 1,  # the layout of tensor cores; otherwise maps are transposed for them
            # The other searches measure all algorithms. They may choose another one at each start,
            # which changes the last bits of images.
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
            **({"gpu_mem_limit": gpu_bytes} if gpu_bytes else {}),
        }
    if config.provider == "openvino":
        hint = {"float32": "f32", "bfloat16": "bf16"}[config.precision]
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": str(threads),
            "NUM_STREAMS": "1",
            "ENABLE_CPU_PINNING": "NO",  # encoders and other engines use the same CPUs
        }
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": settings})}
    return {}


MAX_ENGINES = 8  # of all workers by default; each engine holds a copy of the weights


@dataclass(frozen=True)
class EnginePlan:
    """The engines of one worker: `count`, with `threads` compute threads each, on `gpus` GPUs.

    The engines of all `workers` are spread over the GPUs in turn.
    """

    count: int
    threads: int
    gpus: int
    worker: int = 0
    workers: int = 1

    def device(self, number: int) -> int:
        """Return the GPU of an engine."""
        return (self.worker + number * self.workers) % self.gpus


def plan_engines(
    config: ProviderConfig, settings: Settings, worker: int = 0, workers: int = 1
) -> EnginePlan:
    """Plan the engines of a worker: by the settings, or one for each of its GPUs or CPUs.

    `settings` are those of the worker, with its share of the CPUs. Several engines with one thread
    each compute more images than one engine with several threads, which wait for each other.
    """
    cpus = settings.threads or available_cpus()
    if config.provider == "cuda":
        default = -(-settings.gpus // workers)
    else:
        default = min(cpus, max(1, MAX_ENGINES // workers))
    count = settings.lanes or default
    return EnginePlan(count, max(1, cpus // count), settings.gpus, worker, workers)
