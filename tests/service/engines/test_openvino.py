"""The OpenVINO build of onnxruntime. Skipped with other builds."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.verify import load_bundle
from mirage.service.engines.engine import Engine
from mirage.service.engines.providers import ProviderConfig, provider_configs
from mirage.service.settings import Settings
from mirage.service.versions.loading import golden_check, prepare
from tests.bundles import DIGITS, Toy

SHIPPED = Path(__file__).parents[3] / "models/mnist/2"
BFLOAT16 = ProviderConfig("openvino", "bfloat16")
ALLOWED = provider_configs("openvino", "auto", [])  # on this processor

pytestmark = pytest.mark.skipif(
    "OpenVINOExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="this onnxruntime is not the OpenVINO build",
)


def test_it_computes_the_images_of_the_graph(models_root: Path) -> None:
    latents, labels = draw_latents(7, 0, 5, 5, len(DIGITS))
    engine = Engine(load_bundle(models_root / "toy/1"), ProviderConfig("openvino"))
    difference = engine.run([latents, labels]).astype(int) - Toy().images(latents, labels)
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("config", ALLOWED, ids=str)
def test_an_image_does_not_depend_on_its_batch(config: ProviderConfig) -> None:
    bundle = load_bundle(SHIPPED)
    engine = Engine(bundle, config)
    latents, labels = draw_latents(3, 0, 32, bundle.manifest.latent_dim, 10)
    assert labels is not None
    whole = engine.run([latents, labels])
    for size in (1, 3, 7, 17, 32):
        assert np.array_equal(engine.run([latents[:size], labels[:size]]), whole[:size])


@pytest.mark.skipif(BFLOAT16 not in ALLOWED, reason="this processor does not multiply in bfloat16")
def test_dense_layers_in_float32_reduce_the_error_of_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = load_bundle(SHIPPED)
    mixed = golden_check(Engine(bundle, BFLOAT16), bundle.golden)
    monkeypatch.setattr("mirage.service.engines.engine.cut_before_convolutions", lambda model: None)
    rounded = golden_check(Engine(bundle, BFLOAT16), bundle.golden)
    assert 0 < mixed.mean < rounded.mean
    assert mixed.max <= rounded.max


def test_auto_chooses_a_configuration_that_passes_the_golden_check() -> None:
    settings = Settings(models=SHIPPED.parents[1], provider="auto", threads=1)
    config = prepare(SHIPPED, settings).engines[0].config
    assert config in (BFLOAT16, ProviderConfig("cpu"))
