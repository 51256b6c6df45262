"""The shared engine runs one batch at a time."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.batching.cost_model import CostModel
from mirage.service.engines.engine import Array, Engine
from mirage.service.engines.providers import ProviderConfig
from mirage.service.engines.shared_engine import SharedEngine
from mirage.service.sharing.counters import SharedCounters
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.loading import Prepared
from mirage.service.versions.version import MIN_SHARED_IMAGES, EngineRun
from tests.bundles import make_bundle


class Slow(Engine):
    """An engine that waits for `go_on`, and counts releases of memory."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle, ProviderConfig("cpu"))
        self.started, self.go_on = threading.Event(), threading.Event()
        self.releases = 0

    def run(self, inputs: Sequence[Array]) -> NDArray[np.uint8]:
        """Run after `go_on` is set."""
        assert not self.started.is_set(), "it is running already"
        self.started.set()
        assert self.go_on.wait(60)
        images = super().run(inputs)
        self.started.clear()
        return images

    def release_memory(self) -> None:
        """Count the call."""
        self.releases += 1


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(make_bundle(tmp_path, labels=()))


def test_a_second_batch_does_not_wait_for_the_shared_engine(bundle: Bundle) -> None:
    slow, counters = Slow(bundle), SharedCounters(2, cpus=2)
    engines = [Engine(bundle, ProviderConfig("cpu")) for _ in range(2)]
    prepared = Prepared(engines, CostModel(), 32, SharedEngine(slow))
    padding = Metrics().padding.labels("toy", "1")
    first, second = (EngineRun(engine, padding, prepared, counters) for engine in engines)
    latents = np.zeros((MIN_SHARED_IMAGES, bundle.manifest.latent_dim), np.float32)
    made: list[NDArray[np.uint8]] = []
    thread = threading.Thread(target=lambda: made.append(first((latents,))))
    counters.begin_request()
    thread.start()
    assert slow.started.wait(60)
    second.release_memory()
    made.append(second((latents,)))
    assert slow.releases == 0
    slow.go_on.set()
    thread.join()
    assert np.array_equal(*made)
    first.release_memory()
    assert slow.releases == 1
