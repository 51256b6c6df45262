"""Engines on a GPU. Skipped where there is none."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.batching.cost_model import CostModel
from mirage.service.engines.engine import Engine, optimized
from mirage.service.engines.providers import Precision, ProviderConfig
from mirage.service.engines.session import EngineError
from mirage.service.versions.loading import golden_check

SHIPPED = Path(__file__).parents[3] / "models" / "mnist" / "2"
PRECISIONS: list[Precision] = ["float32", "tensorfloat32", "float16"]

if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
    pytest.skip("this onnxruntime is without CUDA", allow_module_level=True)
runtime = pytest.importorskip("cuda.bindings.runtime")
if runtime.cudaGetDeviceCount()[1] == 0:
    pytest.skip("there is no GPU", allow_module_level=True)


def engine(precision: Precision, bundle: Bundle | None = None, **options: int) -> Engine:
    config = ProviderConfig("cuda", precision)
    return Engine(optimized(bundle or load_bundle(SHIPPED), config), config, **options)


def draw(seed: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    latents, labels = draw_latents(seed, 0, count, 64, 10)
    assert labels is not None
    return latents, labels


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_golden_check_passes(precision: Precision) -> None:
    deviation = golden_check(engine(precision), load_bundle(SHIPPED).golden)
    assert deviation.passes, deviation


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_same_inputs_give_the_same_bytes_in_any_batch(precision: Precision) -> None:
    latents, labels = draw(3, 40)
    one, other = engine(precision), engine(precision)
    whole = one.run([latents, labels])
    for size in (1, 7, 32, 40):
        for each in (one, other):
            np.testing.assert_array_equal(each.run([latents[:size], labels[:size]]), whole[:size])
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(one.run([latents[order], labels[order]]), whole[order])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_run_returns_its_own_images(precision: Precision) -> None:
    made, reference = engine(precision), Engine(load_bundle(SHIPPED), ProviderConfig("cpu"))
    for seed in range(3):
        latents, labels = draw(seed, 32)
        difference = made.run([latents, labels]).astype(int) - reference.run([latents, labels])
        assert np.abs(difference).max() <= 2


def test_a_batch_is_captured() -> None:
    assert engine("float16")._graph.is_captured  # type: ignore[attr-defined]


def test_a_model_without_labels_takes_none(models_root: Path) -> None:
    plain = load_bundle(models_root / "plain/1")
    images = engine("float32", plain).run([np.zeros((2, 5), np.float32)])
    assert images.shape == (2, 8, 12, 4)


def test_engines_on_several_threads_are_independent() -> None:
    latents, labels = draw(5, 32)
    expected = engine("float16").run([latents, labels])

    def work(_: int) -> bool:
        own = engine("float16")  # captured while others run
        own.warm_up(CostModel())
        same = all(np.array_equal(own.run([latents, labels]), expected) for _ in range(50))
        own.close()
        return same

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))


def test_gpu_bytes_limits_the_memory() -> None:
    with pytest.raises(EngineError, match="memory"):
        engine("float32", gpu_bytes=100_000)


def test_a_missing_gpu_is_reported() -> None:
    with pytest.raises(EngineError, match="CUDA: invalid device ordinal"):
        engine("float32", device=63)


def test_close_frees_the_memory() -> None:
    for _ in range(3):
        engine("float16").close()
    free = runtime.cudaMemGetInfo()[1]
    for _ in range(8):
        engine("float16").close()
    assert free - runtime.cudaMemGetInfo()[1] < 64 * 2**20


def test_a_graph_that_cannot_be_captured_runs_without_capture(
    monkeypatch: pytest.MonkeyPatch, models_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    latents, labels = draw(1, 4)
    expected = engine("float32").run([latents, labels])
    monkeypatch.setattr(
        "mirage.service.engines.cuda_graph.RUNS_BEFORE_CAPTURE", 1
    )  # memory is not allocated yet
    plain = engine("float32")
    assert "is not captured" in caplog.text
    np.testing.assert_array_equal(plain.run([latents, labels]), expected)
    toy = engine("float32", load_bundle(models_root / "plain/1"))
    assert toy.run([np.zeros((2, 5), np.float32)]).shape == (2, 8, 12, 4)
