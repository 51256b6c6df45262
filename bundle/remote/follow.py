"""Following the releases of an object store into a folder of models."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from mirage.bundle.errors import BundleError
from mirage.bundle.remote.fault_log import FaultLog, Log
from mirage.bundle.remote.models import STORE_WIDE, RemoteModels
from mirage.bundle.remote.pull import Pulled, Verify, pull_directions, pull_release
from mirage.bundle.remote.verification import verify_apart
from mirage.bundle.store.layout import model_path
from mirage.bundle.store.lock import lock_model
from mirage.bundle.store.prune import prune
from mirage.bundle.store.release import Release

JITTER = 0.2  # of the time between polls, so that replicas do not poll at once
SLOW_S = 60.0  # between looks at what seldom changes: names of models and of directions


@dataclass
class _Followed:
    """The release of a model that is in the folder, and the tag of its object."""

    release: Release | None = None
    tag: str | None = None


@dataclass
class Follower:
    """Copies what is released under a URL into `root`, verified, versions before the release.

    A poll is one conditional GET for each model. The names of models, unless `names` gives them,
    and those of directions are read once a minute. Nothing is listed. Faults are logged, once a
    minute while they last, and what is in `root` stays. ready: a file that is made once everything
    is there. keep: remove versions of `root` that are neither released nor among so many newest;
    None keeps all.
    """

    remote: RemoteModels
    root: Path
    log: Log
    names: Sequence[str] = ()
    ready: Path | None = None
    keep: int | None = None
    verify: Verify = verify_apart
    _models: dict[str, _Followed] = field(default_factory=dict, init=False)
    _slow_at_s: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._faults = FaultLog(self.log)
        self._know(self.names)

    def run(self, every_s: float, sleep: Callable[[float], None] = time.sleep) -> NoReturn:
        """Poll about every `every_s` seconds, for ever."""
        while True:
            self.poll(time.monotonic())
            sleep(every_s * random.uniform(1 - JITTER, 1 + JITTER))

    def poll(self, now: float) -> None:
        """Look once; now: seconds of a monotonic clock. Faults are logged."""
        url = self.remote.objects.url
        try:
            complete = self._look(now)
        except BundleError as error:
            self._faults.report(url, f"{error}; what is here stays", now)
            return
        self._faults.clear(url, now)
        if complete and self.ready:
            self.ready.touch()

    def _look(self, now: float) -> bool:
        """Whether all models are as released; raises BundleError for the store as a whole."""
        slow = now >= self._slow_at_s
        if slow and not self.names:
            self._know(self.remote.read_index().names)
        faulty = [name for name in self._models if not self._try(name, slow, now)]
        if slow:
            self._slow_at_s = now + SLOW_S
        return not faulty

    def _know(self, names: Sequence[str]) -> None:
        for name in names:
            self._models.setdefault(name, _Followed())

    def _try(self, name: str, slow: bool, now: float) -> bool:
        try:
            self._follow(name, slow)
        except (BundleError, OSError) as error:
            if isinstance(error, BundleError) and error.reason in STORE_WIDE:
                raise
            self._faults.report(name, f"{name}: {error}", now)
            return False
        self._faults.clear(name, now)
        return True

    def _follow(self, name: str, slow: bool) -> None:
        known = self._models[name]
        found = self.remote.read_release(name, known.tag)
        if found is not None:
            pulled = pull_release(self.remote, self.root, name, found.release, self.verify)
            known.release, known.tag = found
            self._tell(pulled)
            if self.keep:
                prune(self.root, name, self.keep)
        elif slow and known.release:
            with lock_model(model_path(self.root, name), wait=True):
                pull_directions(self.remote, self.root, name, known.release.versions())

    def _tell(self, pulled: Pulled) -> None:
        if pulled.changed:
            canary = pulled.release.canary
            beside = f", canary {canary.version} for {canary.share:.2%}" if canary else ""
            released = f"version {pulled.release.version} is released{beside}"
            self.log(f"{pulled.name}: {released}; manifest {pulled.digest}")
