"""How many engines run side by side."""

import json

import pytest

from mirage.service.engines.providers import ProviderConfig, kinds, plan_lanes, provider_options
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
def test_a_lane_for_each_cpu_and_the_rest_are_threads(
    changes: dict[str, int], count: int, threads: int
) -> None:
    lanes = plan_lanes(ProviderConfig("cpu"), Settings(**changes))
    assert (lanes.count, lanes.threads) == (count, threads)


def test_without_settings_there_is_at_least_one() -> None:
    assert plan_lanes(ProviderConfig("cpu"), Settings()).count >= 1


def test_a_lane_for_each_gpu() -> None:
    lanes = plan_lanes(ProviderConfig("cuda"), Settings(gpus=3, threads=2))
    assert [lanes.device(number) for number in range(lanes.count)] == [0, 1, 2]


def test_the_lanes_of_all_workers_are_not_many_more_than_those_of_one() -> None:
    settings = Settings(threads=16)
    assert [
        plan_lanes(ProviderConfig("cpu"), settings, 0, workers).count for workers in (1, 2, 8)
    ] == [
        8,
        4,
        1,
    ]


def test_workers_take_turns_with_the_gpus() -> None:
    def devices(gpus: int, workers: int) -> list[list[int]]:
        planned = [
            plan_lanes(ProviderConfig("cuda"), Settings(gpus=gpus), n, workers)
            for n in range(workers)
        ]
        return [[lanes.device(number) for number in range(lanes.count)] for lanes in planned]

    assert devices(2, 4) == [[0], [1], [0], [1]]
    assert devices(4, 2) == [[0, 2], [1, 3]]
    assert devices(1, 2) == [[0], [0]]


def test_more_lanes_than_gpus_share_them() -> None:
    lanes = plan_lanes(ProviderConfig("cuda"), Settings(gpus=2, lanes=4))
    assert [lanes.device(number) for number in range(lanes.count)] == [0, 1, 0, 1]


ALL = ["CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"]
PLAIN = "x86_64 avx2"
BFLOAT16 = "x86_64 avx2 avx512_bf16"


def told(provider: str, precision: str, available: list[str], instructions: str) -> list[str]:
    return [str(kind) for kind in kinds(provider, precision, available, instructions)]


def test_auto_is_all_that_is_there_the_quickest_first() -> None:
    assert told("auto", "auto", ALL, BFLOAT16) == [
        "cuda in float16",
        "cuda in tensorfloat32",
        "cuda in float32",
        "openvino in bfloat16",
        "cpu in float32",
        "openvino in float32",
    ]
    assert told("auto", "auto", ALL[2:], BFLOAT16) == ["cpu in float32"]


def test_a_processor_without_the_instructions_gets_no_bfloat16() -> None:
    assert told("auto", "auto", ALL[1:], PLAIN) == ["cpu in float32", "openvino in float32"]
    assert told("openvino", "bfloat16", ALL, PLAIN) == []


def test_a_provider_that_is_asked_for_is_the_only_one() -> None:
    found = told("openvino", "auto", ALL, BFLOAT16)
    assert found == ["openvino in bfloat16", "openvino in float32"]


def test_what_is_asked_for_is_answered_even_if_it_is_not_there() -> None:
    assert told("cuda", "float32", ALL[2:], PLAIN) == ["cuda in float32"]


def test_a_precision_leaves_those_that_have_it() -> None:
    assert told("auto", "bfloat16", ALL, BFLOAT16) == ["openvino in bfloat16"]
    assert told("cpu", "bfloat16", ALL, BFLOAT16) == []


def test_the_processor_of_this_machine_is_asked_for_by_default() -> None:
    assert kinds("cpu", "auto", ALL) == [ProviderConfig("cpu")]


@pytest.mark.parametrize(("precision", "hint"), [("float32", "f32"), ("bfloat16", "bf16")])
def test_openvino_is_told_threads_and_precision(precision: str, hint: str) -> None:
    (kind,) = kinds("openvino", precision, ALL, BFLOAT16)
    options = provider_options(kind, threads=3, device=0)
    settings = json.loads(options["load_config"])["CPU"]
    assert settings["INFERENCE_PRECISION_HINT"] == hint
    assert settings["INFERENCE_NUM_THREADS"] == "3"


def test_cuda_is_told_the_gpu_and_whether_to_round() -> None:
    for precision, rounds in (("tensorfloat32", 1), ("float32", 0)):
        (kind,) = kinds("cuda", precision, ALL, PLAIN)
        options = provider_options(kind, threads=1, device=2)
        assert (options["device_id"], options["use_tf32"]) == (2, rounds)
