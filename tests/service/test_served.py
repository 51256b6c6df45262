"""How many images may wait for one version."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.bundle.store.publish import new_version
from mirage.service import engine
from mirage.service.cost import Cost
from mirage.service.crowd import SharedCounters
from mirage.service.engine import Array, Engine
from mirage.service.errors import QueueFull
from mirage.service.metrics import Metrics
from mirage.service.polyphase import decompose
from mirage.service.provider import Kind
from mirage.service.served import WIDE_IMAGES, LoadError, Prepared, Runner, Served, prepare
from mirage.service.settings import Settings
from mirage.service.wide import WideEngine
from mirage.service.work import Work
from tests.bundles import Toy, make_bundle, write_toy

PIXELS = 8 * 12  # of a toy image


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"queue_images": 5}, 5),
        ({"queue_megapixels": 7.5 * PIXELS / 1e6}, 7),
        ({"queue_images": 3, "queue_megapixels": 7 * PIXELS / 1e6}, 3),
        ({"queue_megapixels": PIXELS / 2e6}, 1),
    ],
    ids=["images", "pixels", "the smaller", "never none"],
)
def test_the_queue_is_bounded_in_images_and_in_pixels(
    tmp_path: Path, changes: dict[str, float], allowed: int
) -> None:
    limits = {"megapixels_per_request": 1e-9, **changes}
    assert longest_queue(tmp_path, limits) == allowed


def test_the_largest_request_fits_into_the_queue(tmp_path: Path) -> None:
    limits = {
        "queue_megapixels": 2 * PIXELS / 1e6,
        "megapixels_per_request": 9.5 * PIXELS / 1e6,
    }
    assert longest_queue(tmp_path, limits) == 9


def longest_queue(root: Path, limits: dict[str, float]) -> int:
    """The most images that an idle version takes at once."""
    settings = Settings(models=root, threads=1).model_copy(update=limits)
    prepared = prepare(make_bundle(root, "toy", labels=()), settings)

    async def try_all() -> int:
        served = Served(prepared, settings, Metrics())
        taken = 0
        try:
            while taken < 100:
                latents = np.zeros((taken + 1, prepared.manifest.latent_dim), np.float32)
                await served.generate(Work(latents, None, 0, 0), time.monotonic() + 60)
                taken += 1
        except QueueFull:
            return taken
        finally:
            await served.close()
        return taken

    return asyncio.run(try_all())


class Noting(Engine):
    """An engine that notes the sizes of its batches."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle, Kind("cpu"))
        self.sizes_run: list[int] = []

    def run(self, inputs: Sequence[Array]) -> NDArray[np.uint8]:
        """As any engine."""
        self.sizes_run.append(len(inputs[0]))
        return super().run(inputs)


@pytest.mark.parametrize(("largest", "from_size"), [(32, WIDE_IMAGES), (4, 4)])
def test_a_large_batch_of_a_lone_request_has_all_cpus(
    tmp_path: Path, largest: int, from_size: int
) -> None:
    bundle = load_bundle(make_bundle(tmp_path, "toy", labels=()))
    own, wide, counters = Noting(bundle), Noting(bundle), SharedCounters(2, cpus=2)
    prepared = Prepared([own], Cost(), largest, WideEngine(wide))
    run = Runner(own, Metrics().padding.labels("toy", "1"), prepared, counters)
    latents = np.zeros((from_size, bundle.manifest.latent_dim), np.float32)
    counters.join()
    alone = run((latents,))
    run((latents[1:],))
    counters.join()
    beside_others = run((latents,))
    assert (wide.sizes_run, own.sizes_run) == ([from_size], [from_size - 1, from_size])
    assert np.array_equal(alone, beside_others)


def test_batches_are_no_larger_than_is_of_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Engine, "warm_up", lambda self, cost: {1: 1.0, 2: 1.8, 4: 9.0})
    settings = Settings(threads=1, max_batch_size=4)
    with caplog.at_level(logging.INFO):
        prepared = prepare(make_bundle(tmp_path, "toy", labels=()), settings)
    assert prepared.largest == 2
    assert "toy@1 runs in batches of 2 at most" in caplog.text

    async def generate() -> list[int]:
        noting = Noting(load_bundle(tmp_path / "toy/1"))
        served = Served(replace(prepared, engines=[noting]), settings, Metrics())
        latents = np.zeros((5, noting.manifest.latent_dim), np.float32)
        await served.generate(Work(latents, None, 0, 0), time.monotonic() + 60)
        await served.close()
        return noting.sizes_run

    assert asyncio.run(generate()) == [2, 2, 1]


def test_every_engine_of_a_worker_is_proven(tmp_path: Path) -> None:
    path = make_bundle(tmp_path, "toy", labels=())
    assert prepare(path, Settings(threads=1)).wide is None
    prepared = prepare(path, Settings(threads=1), SharedCounters(2, cpus=2))
    assert prepared.wide is not None
    assert prepared.everything == [prepared.wide.engine, *prepared.engines]


def test_a_graph_is_rewritten_once_for_all_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []

    def watched(model: bytes) -> bytes:
        seen.append(model)
        return decompose(model)

    monkeypatch.setattr(engine, "decompose", watched)
    path = make_bundle(tmp_path, "toy")
    prepared = prepare(path, Settings(models=tmp_path, provider="cpu", lanes=3, threads=3))
    assert len(prepared.engines) == 3
    assert seen == [(path / "model.onnx").read_bytes()]


def test_the_engines_of_a_version_that_is_refused_are_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a GPU they would hold memory that nobody frees."""
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, Toy())
        (draft.path / "model.onnx").write_bytes(Toy(seed=5).model().SerializeToString())
        path = draft.publish(Toy().description())
    freed: list[Engine] = []
    monkeypatch.setattr(Engine, "close", lambda engine: freed.append(engine))
    with pytest.raises(LoadError, match="the golden images differ"):
        prepare(path, Settings(models=tmp_path, threads=2), SharedCounters(2, 2))
    assert len(freed) == 3  # the wide one, too
    prepare(
        make_bundle(tmp_path, "fine"), Settings(models=tmp_path, threads=2), SharedCounters(2, 2)
    )
    assert len(freed) == 3
