"""The engine on toy bundles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mirage.bundle.format.interface import Image, generator_tensors
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.batching.cost_model import CostModel
from mirage.service.engines.engine import (
    Engine,
    batch_sizes,
    cuda_batch_size,
    efficient_batch_size,
    optimized,
)
from mirage.service.engines.providers import PROVIDERS, Name, ProviderConfig
from mirage.service.engines.session import EngineError
from mirage.service.versions.loading import golden_check
from tests.bundles import DIGITS, Toy

CPU = ProviderConfig("cpu")
SHIPPED = Path(__file__).parents[3] / "models" / "mnist" / "2"


@pytest.fixture
def bundle(models_root: Path) -> Bundle:
    return load_bundle(models_root / "toy/1")


def test_it_computes_the_images_of_the_graph(bundle: Bundle) -> None:
    latents, labels = draw_latents(7, 0, 5, 5, len(DIGITS))
    images = Engine(bundle, CPU).run([latents, labels])
    assert np.array_equal(images, Toy().images(latents, labels))


def test_unconditional_models_take_no_labels(models_root: Path) -> None:
    engine = Engine(load_bundle(models_root / "plain/1"), CPU)
    assert engine.run([np.zeros((2, 5), np.float32)]).shape == (2, 8, 12, 4)


def test_an_image_depends_neither_on_its_batch_nor_on_the_threads(bundle: Bundle) -> None:
    latents, labels = draw_latents(3, 0, 64, 5, len(DIGITS))
    assert labels is not None
    whole = Engine(bundle, CPU, threads=2).run([latents, labels])
    engine = Engine(bundle, CPU)
    for size in (1, 7, 32):
        assert np.array_equal(engine.run([latents[:size], labels[:size]]), whole[:size])


def test_a_provider_that_is_not_available_is_rejected(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="CUDAExecutionProvider"):
        Engine(bundle, ProviderConfig("cuda"))


def test_a_graph_that_onnxruntime_cannot_read_is_rejected(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="rejects the graph"):
        Engine(replace(bundle, model=bundle.model[:200]), CPU)


def test_images_of_another_shape_are_rejected(bundle: Bundle) -> None:
    image = Image(height=9, width=12, channels=1)
    manifest = bundle.manifest.model_copy(update=generator_tensors(5, 10, image))
    engine = Engine(replace(bundle, manifest=manifest), CPU)
    with pytest.raises(EngineError, match="not uint8"):
        engine.run([np.zeros((1, 5), np.float32), np.zeros(1, np.int64)])


def test_warm_up_updates_the_cost_model_and_returns_the_time_of_each_size(bundle: Bundle) -> None:
    cost = CostModel()
    seconds = Engine(bundle, CPU, max_batch_size=8).warm_up(cost)
    assert cost.estimate_s(8) > 0
    assert list(seconds) == [1, 2, 4, 8]
    assert min(seconds.values()) > 0


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        ({1: 1.0}, 1),
        ({1: 0.001, 2: 0.0015, 4: 0.0025, 8: 0.0049}, 8),  # larger batches are faster
        ({1: 0.001, 2: 0.002, 4: 0.0042, 8: 0.0089, 16: 0.02, 32: 0.045}, 8),  # if short
        ({1: 1.0, 2: 1.8, 4: 3.4, 8: 6.7}, 4),  # long batches that are no faster only add latency
        ({1: 1.0, 2: 1.8, 4: 3.4, 8: 6.0}, 8),
        ({1: 0.006, 2: 0.012, 4: 0.024, 8: 0.048, 16: 0.1}, 4),  # the largest short batch
        ({1: 1.0, 2: 3.0, 4: 2.0}, 4),  # one measurement was disturbed
    ],
)
def test_the_efficient_batch_size_is_the_largest_that_is_faster_or_short(
    seconds: dict[int, float], size: int
) -> None:
    assert efficient_batch_size(seconds) == size


@pytest.mark.parametrize(
    ("max_batch_size", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (8, (1, 2, 4, 8)),
        (32, (1, 2, 4, 8, 16, 32)),
        (20, (1, 2, 4, 8, 16, 20)),
    ],
)
def test_batch_sizes_are_powers_of_two_and_the_maximum(
    max_batch_size: int, sizes: tuple[int, ...]
) -> None:
    assert batch_sizes(max_batch_size) == sizes


def test_batches_of_one_size_are_padded(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Engine(bundle, CPU, max_batch_size=8)
    assert [plain.padding(size) for size in range(1, 10)] == [0] * 9
    monkeypatch.setitem(PROVIDERS, "cpu", replace(PROVIDERS["cpu"], pads=True))
    padded = Engine(bundle, CPU, max_batch_size=8)
    assert padded.sizes == (8,)
    assert [padded.padding(size) for size in range(1, 10)] == [7, 6, 5, 4, 3, 2, 1, 0, 7]


@pytest.mark.parametrize(
    ("side", "max_batch_size", "size"),
    [(28, 32, 32), (28, 24, 24), (256, 32, 8), (300, 32, 4), (512, 32, 2), (2048, 32, 1)],
)
def test_batches_on_a_gpu_are_smaller_for_larger_images(
    side: int, max_batch_size: int, size: int
) -> None:
    assert cuda_batch_size(side * side, max_batch_size) == size


def test_releasing_memory_does_not_change_the_images(bundle: Bundle) -> None:
    latents, labels = draw_latents(7, 0, 5, 5, len(DIGITS))
    engine = Engine(bundle, CPU)
    before = engine.run([latents, labels])
    engine.release_memory()
    assert np.array_equal(engine.run([latents, labels]), before)


def test_the_optimized_shipped_model_computes_the_same_digits() -> None:
    bundle = load_bundle(SHIPPED)
    fast = optimized(bundle, CPU)
    assert fast.model != bundle.model
    engine = Engine(fast, CPU)
    assert golden_check(engine, bundle.golden).passes
    latents, labels = draw_latents(3, 0, 32, bundle.manifest.latent_dim, len(DIGITS))
    assert labels is not None
    images, plain = (each.run([latents, labels]) for each in (engine, Engine(bundle, CPU)))
    assert np.abs(images.astype(int) - plain.astype(int)).max() <= 1
    for size in (1, 7):
        assert np.array_equal(engine.run([latents[:size], labels[:size]]), images[:size])


@pytest.mark.parametrize("provider", ["cuda", "openvino"])
def test_other_providers_run_the_unchanged_graph(provider: Name) -> None:
    bundle = load_bundle(SHIPPED)
    assert optimized(bundle, ProviderConfig(provider)) is bundle


def in_halves(bundle: Bundle) -> tuple[Bundle, Bundle]:
    """Round the weights to float16, and store them as such in the second bundle."""
    rounded = onnx.load_model_from_string(bundle.model)
    stored = onnx.load_model_from_string(bundle.model)
    for place, tensor in enumerate(rounded.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32:
            continue
        name, half = tensor.name, values.astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half.astype(np.float32), name))
        stored.graph.initializer[place].CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        cast = helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)
        stored.graph.node.insert(0, cast)
    models = (each.SerializeToString() for each in (rounded, stored))
    first, second = (replace(bundle, model=model) for model in models)
    return first, second


@pytest.mark.parametrize("provider", ["cpu", "cuda", "openvino"])
def test_float16_weights_are_optimized_like_float32_ones(provider: Name) -> None:
    config = ProviderConfig(provider)
    rounded, stored = (optimized(each, config) for each in in_halves(load_bundle(SHIPPED)))
    graphs = [onnx.load_model_from_string(each.model).graph for each in (rounded, stored)]
    operators = [[node.op_type for node in graph.node] for graph in graphs]
    assert operators[0] == operators[1]
    assert TensorProto.FLOAT16 not in {each.data_type for each in graphs[1].initializer}
    latents, labels = draw_latents(3, 0, 4, rounded.manifest.latent_dim, len(DIGITS))
    assert labels is not None
    images = [Engine(each, CPU).run([latents, labels]) for each in (rounded, stored)]
    assert np.array_equal(*images)
