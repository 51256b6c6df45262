"""NVIDIA's client, as it is, against a server in a process of its own."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.bundles import Toy
from tests.service.api.openinference.requests import LABELS, LATENTS
from tests.service.helpers.server_process import Process, serving

EXPECTED = Toy().images(LATENTS, LABELS)
LIMITS = ("--queue-images", "32", "--images-per-request", "64", "--body-bytes", "4096")
ALGORITHMS = (None, "gzip", "deflate")
CONCURRENCY = 8


@pytest.fixture(scope="module")
def process(models_root: Path) -> Iterator[Process]:
    with serving(models_root, *LIMITS, "--drain-delay-s", "0") as process:
        yield process


@pytest.fixture(scope="module")
def triton(process: Process) -> Iterator[InferenceServerClient]:
    with connected(process) as triton:
        yield triton


@contextlib.contextmanager
def connected(process: Process) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{process.port}", concurrency=CONCURRENCY) as triton:
        yield triton


def given(name: str, datatype: str, array: np.ndarray, *, binary: bool = True) -> InferInput:
    return InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary)


def inputs(
    latents: np.ndarray = LATENTS, labels: np.ndarray = LABELS, *, binary: bool = True
) -> list[InferInput]:
    return [
        given("latents", "FP32", latents, binary=binary),
        given("labels", "INT64", labels, binary=binary),
    ]


def zeros(count: int) -> list[InferInput]:
    return inputs(np.zeros((count, 5), np.float32), np.zeros(count, np.int64))


def status_of(call: Any, *arguments: Any, **options: Any) -> str:
    """The status of a call that is refused with a message, or the client could not read it."""
    with pytest.raises(InferenceServerException) as refusal:
        call(*arguments, **options)
    assert refusal.value.message()
    assert "exception occurred in the client" not in refusal.value.message()
    status: str = refusal.value.status()
    return status


def test_health_and_metadata(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("toy")
    assert triton.is_model_ready("toy", "2")
    assert not triton.is_model_ready("absent")
    assert not triton.is_model_ready("toy", "9")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = triton.get_model_metadata("toy")
    assert metadata["versions"] == ["1", "2"]
    assert [given["name"] for given in metadata["inputs"]] == ["latents", "labels"]
    assert triton.get_model_metadata("rgb", "1")["outputs"][0]["shape"] == [-1, 8, 12, 3]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [None, False, True])
def test_inference_in_both_forms(
    triton: InferenceServerClient, binary_in: bool, binary_out: bool | None
) -> None:
    outputs = None if binary_out is None else [InferRequestedOutput("images", binary_out)]
    result = triton.infer("toy", inputs(binary=binary_in), outputs=outputs, request_id="7")
    np.testing.assert_array_equal(result.as_numpy("images"), EXPECTED)
    assert result.get_response()["id"] == "7"
    assert result.get_response()["model_version"] == "1"
    size_bytes = result.get_output("images").get("parameters", {}).get("binary_data_size")
    assert size_bytes == (None if binary_out is False else EXPECTED.nbytes)


def test_one_input_in_each_form(triton: InferenceServerClient) -> None:
    mixed = [inputs(binary=False)[0], inputs()[1]]
    result = triton.infer("toy", mixed)
    np.testing.assert_array_equal(result.as_numpy("images"), EXPECTED)


def test_versions_and_models_without_classes(triton: InferenceServerClient) -> None:
    second = triton.infer("toy", inputs(), model_version="2").as_numpy("images")
    np.testing.assert_array_equal(second, Toy(seed=1).images(LATENTS, LABELS))
    plain = triton.infer("plain", inputs()[:1]).as_numpy("images")
    np.testing.assert_array_equal(plain, Toy(labels=(), channels=4).images(LATENTS))


@pytest.mark.parametrize("request_algorithm", ALGORITHMS)
@pytest.mark.parametrize("response_algorithm", ALGORITHMS)
@pytest.mark.parametrize("binary", [False, True])
def test_compression(
    triton: InferenceServerClient,
    request_algorithm: str | None,
    response_algorithm: str | None,
    binary: bool,
) -> None:
    result = triton.infer(
        "toy",
        inputs(binary=binary),
        outputs=[InferRequestedOutput("images", binary)],
        request_compression_algorithm=request_algorithm,
        response_compression_algorithm=response_algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("images"), EXPECTED)


def test_concurrent_calls_get_their_own_images(triton: InferenceServerClient) -> None:
    latents = np.linspace(-2, 2, 1000, dtype=np.float32).reshape(100, 2, 5)
    calls = [
        triton.async_infer("toy", inputs(pair), request_id=f"{n}") for n, pair in enumerate(latents)
    ]
    for number, (call, pair) in enumerate(zip(calls, latents, strict=True)):
        result = call.get_result()
        assert result.get_response()["id"] == str(number)
        np.testing.assert_array_equal(result.as_numpy("images"), Toy().images(pair, LABELS))


def test_options_of_the_client_do_no_harm(triton: InferenceServerClient) -> None:
    result = triton.infer(
        "toy",
        inputs(),
        sequence_id=7,
        sequence_start=True,
        priority=1,
        timeout=30_000_000,
        parameters={"mine": "x"},
        query_params={"x": 1},
        headers={"x-deadline-ms": "30000"},
    )
    np.testing.assert_array_equal(result.as_numpy("images"), EXPECTED)


@pytest.mark.parametrize(
    "wrong",
    [
        inputs()[:1],
        inputs()[1:],
        [*inputs(), inputs()[0]],
        [given("noise", "FP32", LATENTS), inputs()[1]],
        [given("latents", "FP64", LATENTS.astype(np.float64)), inputs()[1]],
        [inputs()[0], given("labels", "INT32", LABELS.astype(np.int32))],
        [inputs()[0], given("labels", "BYTES", np.array([b"3", b"7"], object))],
        inputs(LATENTS[:, :4]),
        inputs(LATENTS.ravel()),
        inputs(LATENTS[:0], LABELS[:0]),
        inputs(labels=LABELS[:1]),
        inputs(labels=LABELS + 100),
        inputs(labels=-LABELS),
        inputs(LATENTS * np.nan),
        inputs(LATENTS * np.inf),
        inputs(LATENTS * 100),
        [inputs()[0].set_shape([2**62, 5]), inputs()[1]],
        [InferInput("latents", [2, 5], "FP32").set_shared_memory("x", 40), inputs()[1]],
        [InferInput("latents", [2, 5], "FP32"), inputs()[1]],
    ],
)
def test_wrong_tensors(triton: InferenceServerClient, wrong: list[InferInput]) -> None:
    assert status_of(triton.infer, "toy", wrong) == "400"
    assert triton.infer("toy", inputs()).as_numpy("images").shape == EXPECTED.shape


def test_wrong_outputs_and_parameters(triton: InferenceServerClient) -> None:
    shared = InferRequestedOutput("images")
    shared.set_shared_memory("x", 40)
    for outputs in (
        [InferRequestedOutput("logits")],
        [InferRequestedOutput("images")] * 2,
        [InferRequestedOutput("images", class_count=3)],
        [shared],
    ):
        assert status_of(triton.infer, "toy", inputs(), outputs=outputs) == "400"
    assert status_of(triton.infer, "toy", inputs(), parameters={"seed": 7}) == "400"
    assert status_of(triton.infer, "toy", inputs(), headers={"x-deadline-ms": "soon"}) == "400"


def test_what_is_not_there(triton: InferenceServerClient) -> None:
    for model in (("absent", inputs()), ("toy", inputs(), "9"), ("rgb", inputs())):
        assert status_of(triton.infer, *model) == "404"
        assert status_of(triton.async_infer(*model).get_result) == "404"
    assert status_of(triton.get_model_metadata, "absent") == "404"
    assert status_of(triton.get_model_metadata, "toy", "x") == "404"
    for call, arguments in (
        (triton.get_inference_statistics, ()),
        (triton.load_model, ("toy",)),
        (triton.unload_model, ("toy",)),
        (triton.get_system_shared_memory_status, ()),
        (triton.register_system_shared_memory, ("x", "/x", 40)),
        (triton.unregister_system_shared_memory, ()),
        (triton.get_cuda_shared_memory_status, ()),
        (triton.register_cuda_shared_memory, ("x", b"x", 0, 40)),
        (triton.unregister_cuda_shared_memory, ()),
    ):
        assert status_of(call, *arguments) == "404"


def test_limits(triton: InferenceServerClient) -> None:
    assert status_of(triton.infer, "toy", zeros(65)) == "400"  # images of one request
    assert status_of(triton.infer, "toy", zeros(64)) == "429"  # images that may wait
    assert status_of(triton.infer, "toy", zeros(200)) == "413"  # bytes of a body
    for algorithm in ("gzip", "deflate"):
        too_large = {"request_compression_algorithm": algorithm}
        assert status_of(triton.infer, "toy", zeros(200), **too_large) == "413"
    assert status_of(triton.infer, "toy", inputs(), timeout=1) in ("429", "504")


def test_a_server_that_stops_is_not_ready_and_goes_on(models_root: Path) -> None:
    with serving(models_root, "--drain-delay-s", "600") as process, connected(process) as triton:
        process.popen.send_signal(signal.SIGTERM)
        while triton.is_server_ready():
            pass
        assert triton.is_server_live()
        assert not triton.is_model_ready("toy")
        result = triton.infer("toy", inputs())
        np.testing.assert_array_equal(result.as_numpy("images"), EXPECTED)
