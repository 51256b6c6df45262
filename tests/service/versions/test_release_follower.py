"""Workers follow releases together: real processes with real bundles, step by step."""

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
from mirage.service.versions import cache, pending_release
from mirage.service.versions.loading import LoadError, Prepared, prepare
from mirage.service.versions.registry import ModelRegistry
from tests.bundles import make_bundle

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")

TIMEOUT_S = 60.0
NONE, TEMPORARY, PERMANENT = "none", "temporary", "permanent"  # kinds of faults
FORK = multiprocessing.get_context("fork")


class Seen(NamedTuple):
    """What a worker serves and loads, why a version was refused, and whether it is behind."""

    released: int | None
    canary: int | None
    loading: int | None
    refused: str | None
    is_behind: bool


class Faults:
    """Makes loading fail for some versions."""

    def __init__(self) -> None:
        self.fault = NONE
        self.versions: tuple[int, ...] = ()

    def prepare(self, path: Path, settings: Settings, counters: SharedCounters | None) -> Prepared:
        if int(path.name) in self.versions:
            if self.fault == TEMPORARY:
                raise OSError("no memory")
            if self.fault == PERMANENT:
                raise LoadError("golden_mismatch", "a bit has flipped")
        return prepare(path, settings, counters)


class Worker:
    """A process that opens a registry and then executes commands."""

    def __init__(self, root: Path, barrier: ReleaseBarrier, number: int) -> None:
        self._pipe, there = FORK.Pipe()
        self.process = FORK.Process(target=_work, args=(root, barrier, number, there), daemon=True)
        self.process.start()
        there.close()
        self.start_error: str | None = self._receive()

    def poll(self) -> Seen:
        """Poll the releases once."""
        self._pipe.send("poll")
        return Seen(*self._receive())

    def fail(self, fault: str, *versions: int) -> None:
        """Make loading these versions fail from now on."""
        self._pipe.send((fault, versions))
        assert self._receive() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def end(self) -> None:
        """Close the registry and end the process."""
        if self.process.is_alive() and self.start_error is None:
            self._pipe.send("end")
        self.process.join()

    def _receive(self) -> object:
        assert self._pipe.poll(60), "the worker does not answer"
        return self._pipe.recv()


def _work(root: Path, barrier: ReleaseBarrier, number: int, pipe: Connection) -> None:
    barrier.set_worker(number)
    faults = Faults()
    cache.prepare = faults.prepare  # type: ignore[assignment]
    pending_release.RETRY_S = (0.0, 0.0)  # at the next poll
    asyncio.run(
        _execute(
            ModelRegistry(Settings(models=root, threads=1), Metrics(), barrier=barrier),
            faults,
            pipe,
        )
    )


async def _execute(models: ModelRegistry, faults: Faults, pipe: Connection) -> None:
    try:
        await models.open()
    except StartError as error:
        pipe.send(str(error))
        return
    pipe.send(None)
    while (command := pipe.recv()) != "end":
        if command == "poll":
            await models.refresh()
            pipe.send(_seen(models))
        else:
            faults.fault, faults.versions = command
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
    """A folder with versions 1, 2 and 3 of a toy, 1 released."""
    for seed in range(3):
        make_bundle(tmp_path, seed=seed)
    release(tmp_path, "toy", 1)
    return tmp_path


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """A function that starts workers of one service. They are ended after the test."""
    workers: list[Worker] = []
    barriers: dict[float, ReleaseBarrier] = {}

    def start(number: int, timeout_s: float = TIMEOUT_S) -> Worker:
        barrier = barriers.setdefault(timeout_s, ReleaseBarrier(timeout_s))
        workers.append(Worker(root, barrier, number))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


def test_no_worker_switches_before_all_have_loaded_the_release(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    release(root, "toy", 2)
    assert first.poll() == Seen(1, None, 2, None, False)
    assert first.poll().released == 1
    assert second.poll().released == 2
    assert first.poll() == Seen(2, None, None, None, False)


def test_after_a_temporary_fault_all_keep_the_old_version_and_retry(
    root: Path, start: Start
) -> None:
    workers = [start(number) for number in range(2)]
    workers[1].fail(TEMPORARY, 2)
    release(root, "toy", 2)
    for _ in range(3):
        assert [worker.poll().released for worker in workers] == [1, 1]
    assert workers[1].poll().refused == "load_failed"
    workers[1].fail(NONE)
    for worker in workers:
        worker.poll()
    assert [worker.poll() for worker in workers] == [Seen(2, None, None, None, False)] * 2


def test_a_worker_that_cannot_load_a_release_is_behind(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    second.fail(PERMANENT, 2)
    release(root, "toy", 2)
    assert second.poll() == Seen(1, None, None, "golden_mismatch", False)
    assert first.poll().released == 2
    assert second.poll().is_behind
    second.kill()
    assert start(1).poll() == Seen(2, None, None, None, False)


def test_the_others_stop_waiting_for_a_slow_worker(root: Path, start: Start) -> None:
    first, second = start(0, timeout_s=-1.0), start(1, timeout_s=-1.0)
    second.fail(TEMPORARY, 2)
    release(root, "toy", 2)
    assert first.poll().released == 2
    assert second.poll().is_behind


def test_a_bundle_that_no_worker_can_load_keeps_the_served_version(
    root: Path, start: Start
) -> None:
    (root / "toy/2/model.onnx").write_bytes(b"broken")
    workers = [start(number) for number in range(2)]
    beside = root / "toy/.release.json"
    beside.write_text(json.dumps({"version": 2}))
    os.replace(beside, root / "toy/release.json")
    for _ in range(2):
        assert [worker.poll() for worker in workers] == [
            Seen(1, None, None, "file_size", False)
        ] * 2


def test_a_worker_that_starts_later_serves_the_version_of_the_others(
    root: Path, start: Start
) -> None:
    """Even if another version is released that they have not loaded yet."""
    first = start(0)
    release(root, "toy", 2)
    second = start(1)
    assert second.poll() == Seen(1, None, 2, None, False)
    assert first.poll().released == 2
    assert second.poll().released == 2


def test_a_worker_that_cannot_serve_the_version_of_the_others_fails_to_start(
    root: Path, start: Start
) -> None:
    start(0)
    release(root, "toy", 2)
    (root / "toy/1/model.onnx").write_bytes(b"broken")
    error = start(1).start_error
    assert error is not None
    assert "refused (file_size)" in error


def test_a_worker_is_replaced_though_the_release_of_another_model_is_refused(
    root: Path, start: Start
) -> None:
    """The others, to which it came while they served, go on without it, too."""
    first, second = start(0), start(1)
    broken = make_bundle(root, "broken")
    release(root, "broken", 1)
    (broken / "model.onnx").write_bytes(b"broken")
    assert [worker.poll().released for worker in (first, second)] == [1, 1]
    second.kill()
    replaced = start(1)
    assert replaced.start_error is None
    assert replaced.poll() == Seen(1, None, None, None, False)


def test_the_others_do_not_wait_for_a_killed_worker(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    second.kill()
    release(root, "toy", 2)
    assert first.poll().released == 2


def test_all_workers_end_on_the_last_of_several_releases(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    release(root, "toy", 2)
    assert first.poll().loading == 2
    release(root, "toy", 3)
    assert second.poll().released == 1, "the other worker waits with version 2"
    assert first.poll().released == 3
    assert second.poll() == Seen(3, None, None, None, False)
    rollback(root, "toy")
    first.poll()
    assert [worker.poll().released for worker in (second, first)] == [2, 2]


def test_a_canary_starts_once_all_workers_have_loaded_it(root: Path, start: Start) -> None:
    first, second = start(0), start(1)
    second.fail(TEMPORARY, 3)
    release(root, "toy", 2, Canary(3, 0.5))
    first.poll()
    assert second.poll() == Seen(2, None, None, "load_failed", False)
    assert first.poll() == Seen(2, None, 3, None, False)
    second.fail(NONE)
    assert second.poll() == Seen(2, 3, None, None, False)
    assert first.poll() == Seen(2, 3, None, None, False)
