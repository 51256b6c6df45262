"""The memory: loads once, keeps what is held, frees what is not."""

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
from mirage.service.versions.cache import OnDemand, VersionCache
from mirage.service.versions.loading import LoadError
from mirage.service.versions.version import Answering
from tests.bundles import Toy, make_bundle

Test = Callable[[VersionCache], Awaitable[None]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(3):
        make_bundle(tmp_path, seed=seed)
    return tmp_path


def with_memory(test: Test, root: Path) -> None:
    async def run() -> None:
        memory = VersionCache(Settings(models=root, threads=1), Metrics())
        try:
            await test(memory)
        finally:
            await memory.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def numbers(memory: VersionCache) -> list[int]:
    return [served.manifest.version for served in memory.everything()]


async def generate(version: Answering) -> bool:
    """Whether a version makes its golden images."""
    golden = Toy(seed=version.manifest.training.seed).golden()
    outcome = await version.generate(
        GenerateJob(golden.cases[0].inputs["latents"], golden.cases[0].inputs["labels"], 0, 0),
        10**9,
    )
    return np.array_equal(outcome.rows, golden.cases[0].images)


def test_many_holders_load_a_version_once_and_the_last_one_frees_it(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        held = await asyncio.gather(*(memory.load(("toy", 1)) for _ in range(5)))
        assert len({id(version) for version in held}) == 1
        for version in held[:-1]:
            memory.let_go(version)
        assert await generate(held[-1])
        memory.let_go(held[-1])
        assert numbers(memory) == []

    with_memory(test, root)


def test_what_everybody_has_left_while_it_loaded_is_freed(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        asking = asyncio.create_task(memory.load(("toy", 1)))
        while not memory._loading:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(*memory._loading.values())
        assert numbers(memory) == []
        assert await generate(await memory.load(("toy", 1)))

    with_memory(test, root)


def test_a_version_that_is_asked_for_while_it_leaves_is_loaded_again(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        first = await memory.load(("toy", 1))
        memory.let_go(first)
        second = await memory.load(("toy", 1))
        assert second is not first
        assert await generate(second)
        assert b'mirage_model_loaded{model="toy",provider="cpu",version="1"} 1.0' in (
            memory._metrics.exposition()
        )

    with_memory(test, root)


def test_what_leaves_is_really_freed(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        version = await memory.load(("toy", 1))
        assert await generate(version)
        graph = version.parts[0]._engines[0]._graph  # type: ignore[attr-defined]
        session = weakref.ref(graph._sessions[0])
        del graph
        served = weakref.ref(version)
        memory.let_go(version)
        del version
        await asyncio.gather(*memory._closing.values())
        assert session() is None, "freed at once, for it is what is large"
        gc.collect()
        assert served() is None

    with_memory(test, root)


def test_a_refusal_leaves_nothing_behind_and_is_told_to_all(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        (root / "toy/1/model.onnx").write_bytes(b"broken")
        jobs = (memory.load(("toy", 1)) for _ in range(3))
        errors = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(error, LoadError) for error in errors)
        assert numbers(memory) == []
        assert await generate(await memory.load(("toy", 2)))

    with_memory(test, root)


def test_a_fault_of_others_code_is_a_refusal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(memory: VersionCache) -> None:
        with pytest.raises(LoadError, match="IndexError: from the depths") as caught:
            await memory.load(("toy", 1))
        assert caught.value.reason == "load_failed"

    def fail(*_: object) -> None:
        raise IndexError("from the depths")

    monkeypatch.setattr("mirage.service.versions.loading.replay_golden", fail)
    with_memory(test, root)


def test_room_is_made_by_the_least_used_that_nobody_uses(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        on_demand = OnDemand(memory, most=2)
        first = await on_demand.find(("toy", 1))
        await on_demand.find(("toy", 2))
        with memory.lease(first):
            await on_demand.find(("toy", 3))
            assert sorted(numbers(memory)) == [1, 3], "1 is older, but in use"
        await on_demand.close()

    with_memory(test, root)


def test_while_all_are_in_use_the_next_one_waits(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        on_demand = OnDemand(memory, most=1)
        first = await on_demand.find(("toy", 1))
        with memory.lease(first):
            waiting = asyncio.create_task(on_demand.find(("toy", 2)))
            assert await generate(first)
            assert not waiting.done()
            assert numbers(memory) == [1]
        assert await generate(await waiting)
        assert numbers(memory) == [2]
        await on_demand.close()

    with_memory(test, root)


def test_closing_does_not_wait_for_room(root: Path) -> None:
    async def test(memory: VersionCache) -> None:
        on_demand = OnDemand(memory, most=1)
        with memory.lease(await on_demand.find(("toy", 1))):
            waiting = asyncio.create_task(on_demand.find(("toy", 2)))
            await asyncio.sleep(0)
            await on_demand.close()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    with_memory(test, root)
