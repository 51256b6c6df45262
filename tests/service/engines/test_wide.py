"""The engine that has all CPUs runs once at a time."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.batching.admission import CostModel
from mirage.service.engines.engine import Array, Engine
from mirage.service.engines.providers import ProviderConfig
from mirage.service.engines.wide import WideEngine
from mirage.service.sharing.counters import SharedCounters
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.loading import Prepared
from mirage.service.versions.version import WIDE_IMAGES, Runner
from tests.bundles import make_bundle


class Slow(Engine):
    """An engine that runs and rests once it is let through."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle, ProviderConfig("cpu"))
        self.started, self.go_on = threading.Event(), threading.Event()
        self.releases = 0

    def run(self, inputs: Sequence[Array]) -> NDArray[np.uint8]:
        """As any engine, when it is let through."""
        assert not self.started.is_set(), "it runs already"
        self.started.set()
        assert self.go_on.wait(60)
        images = super().run(inputs)
        self.started.clear()
        return images

    def release_memory(self) -> None:
        """Count."""
        self.releases += 1


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(make_bundle(tmp_path, labels=()))


def test_two_batches_of_a_lone_request_do_not_share_the_wide_engine(bundle: Bundle) -> None:
    slow, counters = Slow(bundle), SharedCounters(2, cpus=2)
    engines = [Engine(bundle, ProviderConfig("cpu")) for _ in range(2)]
    prepared = Prepared(engines, CostModel(), 32, WideEngine(slow))
    padding = Metrics().padding.labels("toy", "1")
    first, second = (Runner(engine, padding, prepared, counters) for engine in engines)
    latents = np.zeros((WIDE_IMAGES, bundle.manifest.latent_dim), np.float32)
    made: list[NDArray[np.uint8]] = []
    lane = threading.Thread(target=lambda: made.append(first((latents,))))
    counters.join()
    lane.start()
    assert slow.started.wait(60)
    second.release_memory()
    made.append(second((latents,)))
    assert slow.releases == 0
    slow.go_on.set()
    lane.join()
    assert np.array_equal(*made)
    first.release_memory()
    assert slow.releases == 1
