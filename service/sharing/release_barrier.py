"""Where worker processes agree which release of a model serves, so that all switch together.

Each worker prepares a release and votes; when all have prepared it, it is decided, and each
switches as soon as it reads that. A decision stands for workers that start later, too.
"""

import fcntl
import os
import struct
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from pydantic import TypeAdapter

from mirage.bundle.store.release import Release

# From the first vote for a release, after which half of the workers decide without the others: a
# large model on a busy machine loads in less.
PATIENCE_S = 60.0
HEADER = struct.Struct("<QQ")  # how often the state was written, and its bytes
STATE_BYTES = 2**20  # at most: some thousand models


class Level(IntEnum):
    """How much of a release a worker can serve."""

    NOTHING = 0
    WITHOUT_CANARY = 1
    COMPLETE = 2


@dataclass(frozen=True)
class Vote:
    """What a worker has prepared of a release, and since when by `time.monotonic()`.

    `is_final`: it will not try to prepare more of it.
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
    at: float = field(default=0.0, compare=False)  # by `time.monotonic()`

    def is_replaced_by(self, vote: Vote) -> bool:
        """Whether a vote may lead to another decision: not one that was given before this one."""
        return vote.level > self.level if vote.release == self.release else vote.since > self.at


@dataclass
class State:
    """The process ids of the workers by number; votes by model and worker; decisions by model."""

    workers: dict[int, int] = field(default_factory=dict)
    votes: dict[str, dict[int, Vote]] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)

    def forget(self, number: int) -> None:
        """Remove a worker with its votes."""
        self.workers.pop(number, None)
        for votes in self.votes.values():
            votes.pop(number, None)

    def forget_dead(self) -> None:
        """Remove the workers that have ended; when none is left, nothing is decided."""
        for number in [number for number, pid in self.workers.items() if not _is_alive(pid)]:
            self.forget(number)
        if not self.workers:
            self.decisions.clear()


_SCHEMA = TypeAdapter(State)


class ReleaseBarrier:
    """Votes and decisions in memory that processes share; create it before they are forked.

    Any thread may call it. Calls wait for other workers, but never for longer than those take to
    write some kilobytes.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._number = 0
        self._lock = threading.Lock()  # the file's own is between processes
        self._file = _open_anonymous_file()
        weakref.finalize(self, os.close, self._file)

    def take_place(self, number: int) -> None:
        """Be worker `number` from now on, of whose predecessor nothing is left."""
        self._number = number
        with self._state() as state:
            state.forget(number)

    def decisions(self) -> dict[str, Decision]:
        """What the workers serve, by model; nothing while there are none."""
        with self._state() as state:
            return dict(state.decisions)

    def vote(self, votes: Mapping[str, Vote]) -> dict[str, Decision]:
        """Replace this worker's votes, by model, and return all decisions.

        From the first vote on, the others wait for this worker.
        """
        with self._state() as state:
            state.forget(self._number)
            state.workers[self._number] = os.getpid()
            for name, vote in votes.items():
                state.votes.setdefault(name, {})[self._number] = vote
            for name, given in state.votes.items():
                decided = self._decide(
                    list(given.values()), state.decisions.get(name), len(state.workers)
                )
                if decided is not None:
                    state.decisions[name] = decided
            return dict(state.decisions)

    def leave(self) -> None:
        """Let nobody wait for this worker any longer."""
        with self._state() as state:
            state.forget(self._number)

    def _decide(self, votes: list[Vote], current: Decision | None, workers: int) -> Decision | None:
        """What replaces the current decision, if anything does: the most that can be served."""
        fresh = [vote for vote in votes if current is None or current.is_replaced_by(vote)]
        for vote in sorted(fresh, key=lambda vote: (vote.level, vote.since), reverse=True):
            if self._is_decided(vote.release, vote.level, votes, workers):
                return Decision(vote.release, vote.level, time.monotonic())
        return None

    def _is_decided(self, release: Release, level: Level, votes: list[Vote], workers: int) -> bool:
        """Whether all workers are ready, or enough of them and the others are not waited for."""
        if level == Level.NOTHING:
            return False
        about_it = [vote for vote in votes if vote.release == release]
        ready = [vote for vote in about_it if vote.level >= level]
        unable = [vote for vote in about_it if vote.level < level and vote.is_final]
        if 2 * len(ready) < workers:
            return False
        if len(ready) + len(unable) == workers:
            return True
        return time.monotonic() - min(vote.since for vote in ready) > self._patience_s

    @contextmanager
    def _state(self) -> Iterator[State]:
        """The state of all workers, locked; what the block changes is written at its end."""
        with self._lock, self._locked_file():
            written, size = HEADER.unpack(
                os.pread(self._file, HEADER.size, 0) or bytes(HEADER.size)
            )
            before = os.pread(self._file, size, _place(written))
            state = _SCHEMA.validate_json(before) if before else State()
            state.forget_dead()
            yield state
            after = _SCHEMA.dump_json(state)
            if after != before:
                self._write(after, written + 1)

    @contextmanager
    def _locked_file(self) -> Iterator[None]:
        # A lock of this kind ends with its process, whatever ends that.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _write(self, state: bytes, written: int) -> None:
        """Write beside the last state, then point there: a process may be killed at any time."""
        if len(state) > STATE_BYTES:
            raise OverflowError(f"the votes have {len(state)} bytes; at most {STATE_BYTES} fit")
        os.pwrite(self._file, state, _place(written))
        os.pwrite(self._file, HEADER.pack(written, len(state)), 0)


def _place(written: int) -> int:
    """Where the state lies that was written as number `written`."""
    return HEADER.size + written % 2 * STATE_BYTES


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the number is another user's by now
        return False
    return True


def _open_anonymous_file() -> int:
    """The descriptor of a file without a name, in memory where the system has such files."""
    if sys.platform == "linux":
        return os.memfd_create("mirage-releases")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
