"""The cache: loads once, keeps referenced versions, evicts others."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateJob
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.cache import OnDemandVersions, VersionCache
from mirage.service.versions.loading import LoadError
from mirage.service.versions.version import Servable
from tests.bundles import Toy, make_bundle

Test = Callable[[VersionCache], Awaitable[None]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(3):
        make_bundle(tmp_path, seed=seed)
    return tmp_path


def with_cache(test: Test, root: Path) -> None:
    async def run() -> None:
        cache = VersionCache(Settings(models=root, threads=1), Metrics())
        try:
            await test(cache)
        finally:
            await cache.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def numbers(cache: VersionCache) -> list[int]:
    return [version.manifest.version for version in cache.versions()]


async def generate(version: Servable) -> bool:
    """Return whether a version computes its golden images."""
    golden = Toy(seed=version.manifest.training.seed).golden()
    result = await version.generate(
        GenerateJob(golden.cases[0].inputs["latents"], golden.cases[0].inputs["labels"], 0, 0),
        10**9,
    )
    return np.array_equal(result.rows, golden.cases[0].output)


def test_a_version_is_loaded_once_and_unloaded_with_its_last_reference(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        references = await asyncio.gather(*(cache.load(("toy", 1)) for _ in range(5)))
        assert len({id(version) for version in references}) == 1
        for version in references[:-1]:
            cache.drop(version)
        assert await generate(references[-1])
        cache.drop(references[-1])
        assert numbers(cache) == []

    with_cache(test, root)


def test_a_version_without_references_is_unloaded_once_it_is_loaded(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        loading = asyncio.create_task(cache.load(("toy", 1)))
        while not cache._loading:
            await asyncio.sleep(0)
        loading.cancel()
        await asyncio.gather(*cache._loading.values())
        assert numbers(cache) == []
        assert await generate(await cache.load(("toy", 1)))

    with_cache(test, root)


def test_a_version_requested_while_it_is_unloaded_is_loaded_again(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        first = await cache.load(("toy", 1))
        cache.drop(first)
        second = await cache.load(("toy", 1))
        assert second is not first
        assert await generate(second)
        assert b'mirage_model_loaded{model="toy",provider="cpu",version="1"} 1.0' in (
            cache._metrics.exposition()
        )

    with_cache(test, root)


def test_an_unloaded_version_is_freed(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        version = await cache.load(("toy", 1))
        assert await generate(version)
        graph = version.members[0]._engines[0]._graph  # type: ignore[attr-defined]
        session = weakref.ref(graph._sessions[0])
        del graph
        reference = weakref.ref(version)
        cache.drop(version)
        del version
        await asyncio.gather(*cache._closing.values())
        assert session() is None, "sessions are large and must be freed at once"
        gc.collect()
        assert reference() is None

    with_cache(test, root)


def test_all_callers_get_the_error_of_a_failed_load(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        (root / "toy/1/model.onnx").write_bytes(b"broken")
        jobs = (cache.load(("toy", 1)) for _ in range(3))
        errors = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(error, LoadError) for error in errors)
        assert numbers(cache) == []
        assert await generate(await cache.load(("toy", 2)))

    with_cache(test, root)


def test_any_exception_becomes_a_load_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(cache: VersionCache) -> None:
        with pytest.raises(LoadError, match="IndexError: out of range") as caught:
            await cache.load(("toy", 1))
        assert caught.value.reason == "load_failed"

    def fail(*_: object) -> None:
        raise IndexError("out of range")

    monkeypatch.setattr("mirage.service.versions.loading.golden_check", fail)
    with_cache(test, root)


def test_the_least_recently_used_version_without_requests_is_evicted(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        on_demand = OnDemandVersions(cache, limit=2)
        first = await on_demand.get_or_load(("toy", 1))
        await on_demand.get_or_load(("toy", 2))
        with cache.lease(first):
            await on_demand.get_or_load(("toy", 3))
            assert sorted(numbers(cache)) == [1, 3], "1 is older but in use"
        await on_demand.close()

    with_cache(test, root)


def test_loading_waits_while_all_kept_versions_are_in_use(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        on_demand = OnDemandVersions(cache, limit=1)
        first = await on_demand.get_or_load(("toy", 1))
        with cache.lease(first):
            waiting = asyncio.create_task(on_demand.get_or_load(("toy", 2)))
            assert await generate(first)
            assert not waiting.done()
            assert numbers(cache) == [1]
        assert await generate(await waiting)
        assert numbers(cache) == [2]
        await on_demand.close()

    with_cache(test, root)


def test_close_does_not_wait_for_an_eviction(root: Path) -> None:
    async def test(cache: VersionCache) -> None:
        on_demand = OnDemandVersions(cache, limit=1)
        with cache.lease(await on_demand.get_or_load(("toy", 1))):
            waiting = asyncio.create_task(on_demand.get_or_load(("toy", 2)))
            await asyncio.sleep(0)
            await on_demand.close()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    with_cache(test, root)
