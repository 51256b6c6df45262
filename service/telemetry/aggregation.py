"""Sums the metrics of all workers with prometheus_client's multi-process mode.

Each worker writes its own files in a shared directory, and every worker can read all of them. The
files are named by the number of the worker instead of its process id. A worker that replaces a lost
one continues its files, so counters never fall and the directory does not grow.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from mirage.service.telemetry.deferred_values import deferred_values

log = logging.getLogger(__name__)

MEMORY = Path("/dev/shm")
PREFIX = "mirage-metrics-"
DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client looks for it
# Writing to a memory-mapped page kills the process if the file system is full, so these bytes of
# each file are allocated before a worker uses it.
COUNTS = {"counter": 2**17, "histogram": 2**19}
GAUGES = {"gauge_livesum": 2**16, "gauge_livemax": 2**16, "gauge_livemin": 2**16}
# The histograms of one version take 15 KB, with the longest names 20 KB.
VERSION_BYTES = 20 * 1024
SPARE_BYTES = 2**24  # free space required before files grow: several times what workers add


class MetricsLost(Exception):
    """The shared files are missing or unreadable; the message is for operators."""


class SharedMetrics:
    """The metrics files of the workers of one service, in an existing directory."""

    def __init__(self, path: Path, workers: int) -> None:
        self.path = path
        self._files = [path / f"{kind}_{n}.db" for n in range(workers) for kind in COUNTS]

    def allocate(self) -> None:
        """Create the files that outlive their workers. Raises OSError if there is no space."""
        for file in self._files:
            _allocate(file, COUNTS[file.name.partition("_")[0]])

    def join(self, worker: int) -> bool:
        """Make this process use the files of a worker. Call it before metrics are created.

        If the files cannot be created, logs a warning and returns false; its metrics are then not
        shared.
        """
        try:
            self.forget(worker)
            for kind, size in GAUGES.items():
                _allocate(self.path / f"{kind}_{worker}.db", size)
        except OSError as error:
            log.warning("worker is missing from the metrics number=%d: %s", worker, error)
            return False
        os.environ[DIRECTORY_VARIABLE] = str(self.path)
        values.ValueClass = deferred_values(worker)
        return True

    def forget(self, worker: int) -> None:
        """Remove the gauges of a worker that has ended. Its counters and histograms stay."""
        mark_process_dead(worker, str(self.path))  # type: ignore[no-untyped-call]

    def exposition(self) -> bytes:
        """Return the sums over all workers in Prometheus' text format. Raises MetricsLost."""
        missing = [file.name for file in self._files if not file.exists()]
        if missing:  # without them the sums would fall
            raise MetricsLost(f"{len(missing)} files are missing in {self.path}")
        registry = CollectorRegistry()
        try:
            MultiProcessCollector(registry, str(self.path))  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        except (OSError, ValueError, RuntimeError) as error:
            raise MetricsLost(str(error)) from error

    def has_room(self, versions: int) -> bool:
        """Return whether a worker with metrics of this many versions may add another."""
        if (versions + 1) * VERSION_BYTES <= COUNTS["histogram"]:
            return True
        try:
            return shutil.disk_usage(self.path).free >= SPARE_BYTES
        except OSError:  # the directory is gone; only open files remain
            return False


@contextmanager
def shared_metrics(
    workers: int, parents: Sequence[Path] | None = None
) -> Iterator[SharedMetrics | None]:
    """Create a private directory in memory for the metrics of workers, and remove it afterwards.

    Yields None, with a warning, if no directory can be created.
    """
    with ExitStack() as stack:
        for parent in _parents() if parents is None else parents:
            if (shared := _make_shared(parent, workers, stack)) is not None:
                break
        else:
            log.warning("each worker answers /metrics for itself alone")
            shared = None
        yield shared


def _make_shared(parent: Path, workers: int, stack: ExitStack) -> SharedMetrics | None:
    """Create the files; `stack` removes them. Returns None, with a warning, without space."""
    _remove_abandoned(parent)
    try:
        with ExitStack() as own:
            path = own.enter_context(
                tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True)
            )
            own.enter_context(_locked(Path(path)))
            shared = SharedMetrics(Path(path), workers)
            shared.allocate()
            stack.push(own.pop_all())
            return shared
    except OSError as error:
        log.warning("no place for metrics in %s: %s", parent, error.strerror)
        return None


def _parents() -> list[Path]:
    """Directories in memory, and of the service manager, that no one cleans meanwhile."""
    given = (os.environ.get(name) for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"))
    return [MEMORY, *(Path(path.split(":")[0]) for path in given if path)]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the directory. Workers inherit the lock, so it ends with the last process."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    """Remove the directories of services that were killed."""
    for path in parent.glob(f"{PREFIX}*"):
        try:
            with _locked(path):
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # in use, or of another user
            continue


def _allocate(path: Path, size: int) -> None:
    """Create a file of zeros under a temporary name, then rename it."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
