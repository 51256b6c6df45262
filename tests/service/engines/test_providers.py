"""Provider configurations, their options, and the plan of engines."""

import json

import pytest

from mirage.service.engines.providers import (
    ProviderConfig,
    plan_engines,
    provider_configs,
    provider_options,
)
from mirage.service.settings import Settings


@pytest.mark.parametrize(
    ("changes", "count", "threads"),
    [
        ({"threads": 1}, 1, 1),
        ({"threads": 2}, 2, 1),
        ({"threads": 16}, 8, 2),
        ({"threads": 16, "lanes": 2}, 2, 8),
        ({"threads": 1, "lanes": 4}, 4, 1),
    ],
)
def test_there_is_an_engine_for_each_cpu_up_to_a_limit(
    changes: dict[str, int], count: int, threads: int
) -> None:
    plan = plan_engines(ProviderConfig("cpu"), Settings(**changes))
    assert (plan.count, plan.threads) == (count, threads)


def test_by_default_there_is_at_least_one_engine() -> None:
    assert plan_engines(ProviderConfig("cpu"), Settings()).count >= 1


def test_there_is_an_engine_for_each_gpu() -> None:
    plan = plan_engines(ProviderConfig("cuda"), Settings(gpus=3, threads=2))
    assert [plan.device(number) for number in range(plan.count)] == [0, 1, 2]


def test_the_limit_on_engines_is_shared_among_workers() -> None:
    settings = Settings(threads=16)
    assert [
        plan_engines(ProviderConfig("cpu"), settings, 0, workers).count for workers in (1, 2, 8)
    ] == [
        8,
        4,
        1,
    ]


def test_workers_are_spread_over_the_gpus() -> None:
    def devices(gpus: int, workers: int) -> list[list[int]]:
        planned = [
            plan_engines(ProviderConfig("cuda"), Settings(gpus=gpus), n, workers)
            for n in range(workers)
        ]
        return [[plan.device(number) for number in range(plan.count)] for plan in planned]

    assert devices(2, 4) == [[0], [1], [0], [1]]
    assert devices(4, 2) == [[0, 2], [1, 3]]
    assert devices(1, 2) == [[0], [0]]


def test_more_engines_than_gpus_share_them() -> None:
    plan = plan_engines(ProviderConfig("cuda"), Settings(gpus=2, lanes=4))
    assert [plan.device(number) for number in range(plan.count)] == [0, 1, 0, 1]


ALL = ["CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"]
PLAIN = "x86_64 avx2"
BFLOAT16 = "x86_64 avx2 avx512_bf16"


def allowed(provider: str, precision: str, available: list[str], instructions: str) -> list[str]:
    return [
        str(config) for config in provider_configs(provider, precision, available, instructions)
    ]


def test_auto_allows_all_available_providers_the_fastest_first() -> None:
    assert allowed("auto", "auto", ALL, BFLOAT16) == [
        "cuda in float16",
        "cuda in tensorfloat32",
        "cuda in float32",
        "openvino in bfloat16",
        "cpu in float32",
        "openvino in float32",
    ]
    assert allowed("auto", "auto", ALL[2:], BFLOAT16) == ["cpu in float32"]


def test_a_processor_without_the_instructions_gets_no_bfloat16() -> None:
    assert allowed("auto", "auto", ALL[1:], PLAIN) == ["cpu in float32", "openvino in float32"]
    assert allowed("openvino", "bfloat16", ALL, PLAIN) == []


def test_an_explicit_provider_is_the_only_one() -> None:
    found = allowed("openvino", "auto", ALL, BFLOAT16)
    assert found == ["openvino in bfloat16", "openvino in float32"]


def test_an_explicit_provider_need_not_be_available() -> None:
    assert allowed("cuda", "float32", ALL[2:], PLAIN) == ["cuda in float32"]


def test_an_explicit_precision_selects_the_providers_that_support_it() -> None:
    assert allowed("auto", "bfloat16", ALL, BFLOAT16) == ["openvino in bfloat16"]
    assert allowed("cpu", "bfloat16", ALL, BFLOAT16) == []


def test_the_instructions_default_to_those_of_this_machine() -> None:
    assert provider_configs("cpu", "auto", ALL) == [ProviderConfig("cpu")]


@pytest.mark.parametrize(("precision", "hint"), [("float32", "f32"), ("bfloat16", "bf16")])
def test_openvino_options_have_threads_and_precision(precision: str, hint: str) -> None:
    (config,) = provider_configs("openvino", precision, ALL, BFLOAT16)
    options = provider_options(config, threads=3, device=0)
    settings = json.loads(options["load_config"])["CPU"]
    assert settings["INFERENCE_PRECISION_HINT"] == hint
    assert settings["INFERENCE_NUM_THREADS"] == "3"


def test_cuda_options_have_the_gpu_and_tensorfloat32() -> None:
    for precision, rounds in (("tensorfloat32", 1), ("float32", 0)):
        (config,) = provider_configs("cuda", precision, ALL, PLAIN)
        options = provider_options(config, threads=1, device=2)
        assert (options["device_id"], options["use_tf32"]) == (2, rounds)
