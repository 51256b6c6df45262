"""Workers follow releases together: real processes that serve real bundles, step by step."""

import asyncio
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from mirage.bundle.store.release import Canary, release, rollback
from mirage.service.errors import StartError
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.sharing.release_barrier import ReleaseBarrier
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions import cache, candidate
from mirage.service.versions.loading import LoadError, Prepared, prepare
from mirage.service.versions.registry import ModelRegistry
from tests.bundles import make_bundle

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")

PATIENCE_S = 60.0
NONE, PASSING, LASTING = "none", "passing", "lasting"  # kinds of faults
FORK = multiprocessing.get_context("fork")


class Seen(NamedTuple):
    """What a worker serves, what it waits for, why it was refused, and whether it is behind."""

    released: int | None
    canary: int | None
    loading: int | None
    refused: str | None
    is_behind: bool


class Faults:
    """What loading meets in a worker: nothing, or a fault for the versions named."""

    def __init__(self) -> None:
        self.fault = NONE
        self.versions: tuple[int, ...] = ()

    def prepare(self, path: Path, settings: Settings, counters: SharedCounters | None) -> Prepared:
        if int(path.name) in self.versions:
            if self.fault == PASSING:
                raise OSError("no memory")
            if self.fault == LASTING:
                raise LoadError("golden_mismatch", "a bit has flipped")
        return prepare(path, settings, counters)


class Worker:
    """A process that opens the models and then does what it is told."""

    def __init__(self, root: Path, barrier: ReleaseBarrier, number: int) -> None:
        self._pipe, there = FORK.Pipe()
        self.process = FORK.Process(target=_work, args=(root, barrier, number, there), daemon=True)
        self.process.start()
        there.close()
        self.start_error: str | None = self._receive()

    def look(self) -> Seen:
        """Let it look at what is released, once."""
        self._pipe.send("look")
        return Seen(*self._receive())

    def fail(self, fault: str, *versions: int) -> None:
        """Let loading these versions fail from now on."""
        self._pipe.send((fault, versions))
        assert self._receive() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def end(self) -> None:
        """Let it close what it has opened."""
        if self.process.is_alive() and self.start_error is None:
            self._pipe.send("end")
        self.process.join()

    def _receive(self) -> object:
        assert self._pipe.poll(60), "the worker does not answer"
        return self._pipe.recv()


def _work(root: Path, barrier: ReleaseBarrier, number: int, pipe: Connection) -> None:
    barrier.take_place(number)
    faults = Faults()
    cache.prepare = faults.prepare  # type: ignore[assignment]
    candidate.RETRY_S = (0.0, 0.0)  # at the next look
    asyncio.run(
        _obey(
            ModelRegistry(Settings(models=root, threads=1), Metrics(), barrier=barrier),
            faults,
            pipe,
        )
    )


async def _obey(models: ModelRegistry, faults: Faults, pipe: Connection) -> None:
    try:
        await models.open()
    except StartError as error:
        pipe.send(str(error))
        return
    pipe.send(None)
    while (word := pipe.recv()) != "end":
        if word == "look":
            await models.refresh()
            pipe.send(_seen(models))
        else:
            faults.fault, faults.versions = word
            pipe.send(None)
    await models.close()


def _seen(models: ModelRegistry) -> Seen:
    model = models.get("toy")
    assert model is not None
    canary = model.canary.manifest.version if model.canary else None
    refused = model.refusal.reason if model.refusal else None
    return Seen(
        *(models.released("toy"), canary, model.loading, refused, models.follower.is_behind)
    )


Start = Callable[..., Worker]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with versions 1, 2 and 3 of a toy, 1 released."""
    for seed in range(3):
        make_bundle(tmp_path, seed=seed)
    release(tmp_path, "toy", 1)
    return tmp_path


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Starts workers of one service, and ends them."""
    workers: list[Worker] = []
    barriers: dict[float, ReleaseBarrier] = {}

    def start(number: int, patience_s: float = PATIENCE_S) -> Worker:
        barrier = barriers.setdefault(patience_s, ReleaseBarrier(patience_s))
        workers.append(Worker(root, barrier, number))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


def test_nobody_switches_before_all_have_loaded_the_release(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    release(root, "toy", 2)
    assert first.look() == Seen(1, None, 2, None, False)
    assert first.look().released == 1
    assert second.look().released == 2
    assert first.look() == Seen(2, None, None, None, False)


def test_a_fault_that_passes_leaves_one_version_and_is_tried_again(
    root: Path, start: Start
) -> None:
    workers = [start(number) for number in range(2)]
    workers[1].fail(PASSING, 2)
    release(root, "toy", 2)
    for _ in range(3):
        assert [worker.look().released for worker in workers] == [1, 1]
    assert workers[1].look().refused == "load_failed"
    workers[1].fail(NONE)
    for worker in workers:
        worker.look()
    assert [worker.look() for worker in workers] == [Seen(2, None, None, None, False)] * 2


def test_one_that_cannot_load_it_is_behind_and_its_successor_serves_it(
    root: Path, start: Start
) -> None:
    first, second = start(0), start(1)
    second.fail(LASTING, 2)
    release(root, "toy", 2)
    assert second.look() == Seen(1, None, None, "golden_mismatch", False)
    assert first.look().released == 2
    assert second.look().is_behind
    second.kill()
    assert start(1).look() == Seen(2, None, None, None, False)


def test_one_that_is_too_slow_is_not_waited_for_for_ever(root: Path, start: Start) -> None:
    first, second = start(0, patience_s=-1.0), start(1, patience_s=-1.0)
    second.fail(PASSING, 2)
    release(root, "toy", 2)
    assert first.look().released == 2
    assert second.look().is_behind


def test_a_bundle_that_nobody_can_load_leaves_what_serves(root: Path, start: Start) -> None:
    (root / "toy/2/model.onnx").write_bytes(b"broken")
    workers = [start(number) for number in range(2)]
    beside = root / "toy/.release.json"
    beside.write_text(json.dumps({"version": 2}))
    os.replace(beside, root / "toy/release.json")
    for _ in range(2):
        assert [worker.look() for worker in workers] == [
            Seen(1, None, None, "file_size", False)
        ] * 2


def test_one_that_starts_later_serves_what_the_others_serve(root: Path, start: Start) -> None:
    """Though another version is to be released, which they have not loaded yet."""
    first = start(0)
    release(root, "toy", 2)
    second = start(1)
    assert second.look() == Seen(1, None, 2, None, False)
    assert first.look().released == 2
    assert second.look().released == 2


def test_one_that_starts_and_cannot_serve_what_the_others_serve_says_so(
    root: Path, start: Start
) -> None:
    start(0)
    release(root, "toy", 2)
    (root / "toy/1/model.onnx").write_bytes(b"broken")
    error = start(1).start_error
    assert error is not None
    assert "refused (file_size)" in error


def test_a_worker_that_was_killed_is_not_waited_for(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    second.kill()
    release(root, "toy", 2)
    assert first.look().released == 2


def test_when_the_release_changes_meanwhile_all_end_on_the_last(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    release(root, "toy", 2)
    assert first.look().loading == 2
    release(root, "toy", 3)
    assert second.look().released == 1, "the other one waits with version 2"
    assert first.look().released == 3
    assert second.look() == Seen(3, None, None, None, False)
    rollback(root, "toy")
    first.look()
    assert [worker.look().released for worker in (second, first)] == [2, 2]


def test_a_canary_begins_with_all(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    second.fail(PASSING, 3)
    release(root, "toy", 2, Canary(3, 0.5))
    first.look()
    assert second.look() == Seen(2, None, None, "load_failed", False)
    assert first.look() == Seen(2, None, 3, None, False)
    second.fail(NONE)
    assert second.look() == Seen(2, 3, None, None, False)
    assert first.look() == Seen(2, 3, None, None, False)
