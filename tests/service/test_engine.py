"""The engine on toy bundles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle.latents import draw_latents
from bundle.manifest import Image
from bundle.verify import Bundle, load_bundle
from service.cost import Cost
from service.engine import Engine, EngineError
from tests.bundles import DIGITS, Toy


@pytest.fixture
def bundle(models_root: Path) -> Bundle:
    return load_bundle(models_root / "toy/1")


def test_it_makes_the_images_of_the_graph(bundle: Bundle) -> None:
    latents, labels = draw_latents(7, 0, 5, 5, len(DIGITS))
    images = Engine(bundle, "cpu", 1).generate(latents, labels)
    assert np.array_equal(images, Toy().images(latents, labels))


def test_unconditional_models_take_no_labels(models_root: Path) -> None:
    engine = Engine(load_bundle(models_root / "plain/1"), "cpu", 1)
    assert engine.generate(np.zeros((2, 5), np.float32), None).shape == (2, 8, 12, 4)


def test_an_image_does_not_depend_on_its_batch_nor_on_the_threads(bundle: Bundle) -> None:
    latents, labels = draw_latents(3, 0, 64, 5, len(DIGITS))
    assert labels is not None
    whole = Engine(bundle, "cpu", 2).generate(latents, labels)
    engine = Engine(bundle, "cpu", 1)
    for size in (1, 7, 32):
        assert np.array_equal(engine.generate(latents[:size], labels[:size]), whole[:size])


def test_a_provider_that_is_not_in_use_is_refused(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="CUDAExecutionProvider"):
        Engine(bundle, "cuda", 1)


def test_a_graph_that_onnxruntime_cannot_read_is_refused(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="refuses the graph"):
        Engine(replace(bundle, model=bundle.model[:200]), "cpu", 1)


def test_images_of_another_shape_are_refused(bundle: Bundle) -> None:
    image = Image(height=9, width=12, channels=1)
    manifest = bundle.manifest.model_copy(update={"image": image})
    engine = Engine(replace(bundle, manifest=manifest), "cpu", 1)
    with pytest.raises(EngineError, match="not uint8"):
        engine.generate(np.zeros((1, 5), np.float32), np.zeros(1, np.int64))


def test_warming_up_teaches_the_cost(bundle: Bundle) -> None:
    cost = Cost()
    Engine(bundle, "cpu", 1).warm_up((1, 8), cost)
    assert cost.estimate_s(8) > 0
