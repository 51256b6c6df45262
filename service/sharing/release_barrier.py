"""A barrier at which workers agree on the releases to serve, so that all switch together.

Each worker loads a release and votes for it. When all have loaded it, it is decided, and each
worker switches as soon as it reads the decision, as do workers that start later.
"""

import fcntl
import os
import struct
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from pydantic import TypeAdapter

from mirage.bundle.store.release import Release
from mirage.service.sharing.lock import open_anonymous_file

# Seconds after the first vote for a release from which half of the workers decide without the
# others. Chosen longer than a large model takes to load on a busy machine.
TIMEOUT_S = 60.0
HEADER = struct.Struct("<QQ")  # number of writes of the state, size of the state in bytes
STATE_BYTES = 2**20  # most bytes of the state, enough for thousands of models


class Level(IntEnum):
    """How much of a release a worker has loaded."""

    NOTHING = 0
    WITHOUT_CANARY = 1
    COMPLETE = 2


@dataclass(frozen=True)
class Vote:
    """What a worker has loaded of a release, and since when in `time.monotonic()` seconds.

    `is_final` is true if it will not try to load more.
    """

    release: Release
    level: Level
    is_final: bool
    since: float


@dataclass(frozen=True)
class Decision:
    """The release of a model that all workers serve, how much of it, and since when."""

    release: Release
    level: Level
    at: float = field(default=0.0, compare=False)  # in `time.monotonic()` seconds

    def is_replaced_by(self, vote: Vote) -> bool:
        """Whether a vote may replace this decision; one for another release has to be newer."""
        return vote.level > self.level if vote.release == self.release else vote.since > self.at


@dataclass
class State:
    """Process ids by worker, votes by model and worker, decisions by model."""

    workers: dict[int, int] = field(default_factory=dict)
    votes: dict[str, dict[int, Vote]] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)

    def remove(self, number: int) -> None:
        """Remove a worker and its votes."""
        self.workers.pop(number, None)
        for votes in self.votes.values():
            votes.pop(number, None)

    def remove_ended(self) -> None:
        """Remove workers that have ended, and the decisions once no worker is left."""
        for number in [number for number, pid in self.workers.items() if not _is_alive(pid)]:
            self.remove(number)
        if not self.workers:
            self.decisions.clear()


_SCHEMA = TypeAdapter(State)


class ReleaseBarrier:
    """Votes and decisions in an anonymous file. Create it before the workers are forked.

    Any thread may call it. A call waits at most while other workers write some kilobytes.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._worker = 0
        self._lock = threading.Lock()  # record locks do not exclude threads of one process
        self._file = open_anonymous_file("mirage-releases")
        weakref.finalize(self, os.close, self._file)

    def set_worker(self, number: int) -> None:
        """Make this process worker `number`, and remove the votes of its predecessor."""
        self._worker = number
        with self._state() as state:
            state.remove(number)

    def decisions(self) -> dict[str, Decision]:
        """Return what the workers serve, by model; empty if there are no workers."""
        with self._state() as state:
            return dict(state.decisions)

    def vote(self, votes: Mapping[str, Vote]) -> dict[str, Decision]:
        """Replace this worker's votes, by model, and return all decisions.

        From its first vote on, the other workers wait for this one.
        """
        with self._state() as state:
            state.remove(self._worker)
            state.workers[self._worker] = os.getpid()
            for name, vote in votes.items():
                state.votes.setdefault(name, {})[self._worker] = vote
            for name, given in state.votes.items():
                decided = self._decide(
                    list(given.values()), state.decisions.get(name), len(state.workers)
                )
                if decided is not None:
                    state.decisions[name] = decided
            return dict(state.decisions)

    def leave(self) -> None:
        """Remove this worker, so that no other waits for it."""
        with self._state() as state:
            state.remove(self._worker)

    def _decide(self, votes: list[Vote], current: Decision | None, workers: int) -> Decision | None:
        """Return a new decision, if there is one: the highest level that can be decided."""
        fresh = [vote for vote in votes if current is None or current.is_replaced_by(vote)]
        for vote in sorted(fresh, key=lambda vote: (vote.level, vote.since), reverse=True):
            if self._is_decided(vote.release, vote.level, votes, workers):
                return Decision(vote.release, vote.level, time.monotonic())
        return None

    def _is_decided(self, release: Release, level: Level, votes: list[Vote], workers: int) -> bool:
        """Whether at least half of the workers are ready, and the others cannot be or time out."""
        if level == Level.NOTHING:
            return False
        given = [vote for vote in votes if vote.release == release]
        ready = [vote for vote in given if vote.level >= level]
        unable = [vote for vote in given if vote.level < level and vote.is_final]
        if 2 * len(ready) < workers:
            return False
        if len(ready) + len(unable) == workers:
            return True
        return time.monotonic() - min(vote.since for vote in ready) > self._timeout_s

    @contextmanager
    def _state(self) -> Iterator[State]:
        """Lock and read the state, and write it if the block has changed it."""
        with self._lock, self._locked_file():
            writes, size = HEADER.unpack(os.pread(self._file, HEADER.size, 0) or bytes(HEADER.size))
            before = os.pread(self._file, size, _offset(writes))
            state = _SCHEMA.validate_json(before) if before else State()
            state.remove_ended()
            yield state
            after = _SCHEMA.dump_json(state)
            if after != before:
                self._write(after, writes + 1)

    @contextmanager
    def _locked_file(self) -> Iterator[None]:
        # The system releases this lock when the process ends, even if it is killed.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _write(self, state: bytes, writes: int) -> None:
        """Write the state and then the header.

        There are two places for the state in turn, so that a process that is killed while it
        writes leaves the last state intact.
        """
        if len(state) > STATE_BYTES:
            raise OverflowError(f"the votes have {len(state)} bytes; at most {STATE_BYTES} fit")
        os.pwrite(self._file, state, _offset(writes))
        os.pwrite(self._file, HEADER.pack(writes, len(state)), 0)


def _offset(writes: int) -> int:
    return HEADER.size + writes % 2 * STATE_BYTES


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process has the id now
        return False
    return True
