"""Processes that work through the shards of a dataset."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeAlias, cast

from ..errors import MirageError

REPORT_S = 0.25  # between two reports of a process

Pipe: TypeAlias = "Connection[Any, Any]"  # at run time it has no parameters


class Report(Protocol):
    """Receives how many images are done; a `Progress` is one."""

    def advance(self, images: int = 1) -> None:
        """Count more images."""

    def skip(self, images: int) -> None:
        """Count images that exist already."""


Work = Callable[[int, Report], Any]
"""Works on one shard, and returns a result."""


class Job(Protocol):
    """What processes do; it is pickled."""

    def start(self, worker: int) -> AbstractContextManager[Work]:
        """Prepare one process, whose number is `worker`."""


@dataclass(frozen=True)
class Count:
    """Images that are done or exist already, as a message of a process."""

    done: int
    skipped: int


@dataclass(frozen=True)
class Ready:
    """A process is free for a shard, and has the result of the shard before."""

    result: Any = None
    first: bool = False


def work_through(job: Job, shards: Iterable[int], processes: int, report: Report) -> Iterator[Any]:
    """Yield the result of each shard, in the order in which they are done.

    Each process works on one shard at a time. It ends soon after this process, even if this one is
    killed. Raises the MirageError or OSError of a process, and ChildProcessError if one is killed.
    """
    context = multiprocessing.get_context("spawn")  # threads of onnxruntime do not survive a fork
    workers: dict[Pipe, BaseProcess] = {}
    try:
        for number in range(processes):
            own, other = context.Pipe()
            process: BaseProcess = context.Process(
                target=_serve, args=(other, job, number), daemon=True
            )
            process.start()
            other.close()
            workers[own] = process
        yield from _conduct(workers, iter(shards), report)
    except BaseException:
        for process in workers.values():
            process.terminate()
        raise
    finally:
        for process in workers.values():
            process.join()


def _conduct(
    workers: dict[Pipe, BaseProcess], shards: Iterator[int], report: Report
) -> Iterator[Any]:
    """Give each process its next shard until there are none."""
    busy = set(workers)
    while busy:
        for pipe in cast(list[Pipe], wait(busy)):
            match _receive(pipe, workers[pipe]):
                case Count(done, skipped):
                    report.advance(done)
                    report.skip(skipped)
                case Ready(result, first):
                    shard = next(shards, None)
                    pipe.send(shard)
                    if shard is None:
                        busy.remove(pipe)
                    if not first:
                        yield result
                case Exception() as error:
                    raise error


def _receive(pipe: Pipe, process: BaseProcess) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        raise ChildProcessError(
            f"a process ended with exit code {process.exitcode}; run the same command to continue"
        ) from None


class ParentGone(Exception):
    """The process that gives out shards has ended."""


class Reporter:
    """Counts images, and reports them now and then over a pipe."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._done, self._skipped, self._sent = 0, 0, time.monotonic()

    def advance(self, images: int = 1) -> None:
        """See `Report`; raises ParentGone."""
        self._done += images
        if time.monotonic() - self._sent >= REPORT_S:
            self.flush()

    def skip(self, images: int) -> None:
        """See `Report`; raises ParentGone."""
        self._skipped += images

    def flush(self) -> None:
        """Report what is counted."""
        _send(self._pipe, Count(self._done, self._skipped))
        self._done, self._skipped, self._sent = 0, 0, time.monotonic()


def _serve(pipe: Pipe, job: Job, worker: int) -> None:
    """Run a process: work on shards until there are none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes
    try:
        _work(pipe, job, worker)
    except ParentGone:
        pass
    except (MirageError, OSError) as error:
        pipe.send(error)


def _work(pipe: Pipe, job: Job, worker: int) -> None:
    reporter = Reporter(pipe)
    with job.start(worker) as work:
        _send(pipe, Ready(first=True))
        while (shard := _next(pipe)) is not None:
            result = work(shard, reporter)
            reporter.flush()
            _send(pipe, Ready(result))


def _next(pipe: Pipe) -> int | None:
    try:
        shard: int | None = pipe.recv()
    except (EOFError, OSError):
        raise ParentGone from None
    return shard


def _send(pipe: Pipe, message: object) -> None:
    try:
        pipe.send(message)
    except OSError:
        raise ParentGone from None
