"""A copy of a run in object storage, from which another machine resumes it.

URL/latest.json   URL/checkpoints/checkpoint-000050048.pt   URL/snapshots/000050048.safetensors
URL/3f2a9c0d1e2f4b5a/config.json   …

`latest.json` is written last and lists all files with their sizes. Files that change lie under a
hash of their contents, so that those it lists stay until it lists others: a copy is never half
visible.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.limits import MIB
from mirage.bundle.remote.objects import ObjectStore, open_objects
from mirage.bundle.store.durable import atomic_write
from mirage.training.errors import DataError
from mirage.training.runs.checkpoint import checkpoints
from mirage.training.runs.run_dir import Run

log = logging.getLogger(__name__)

LATEST = "latest.json"
LATEST_BYTES = MIB


class RemoteCopy:
    """Copies what resuming needs, the statistics and the last snapshot, on a thread of its own.

    Raises BundleError for an invalid URL, or without the extra `s3`.
    """

    def __init__(self, run: Run, url: str) -> None:
        self.run = run
        self._objects: ObjectStore = open_objects(url)
        self._thread = ThreadPoolExecutor(1, "remote copy")
        self._going: Future[None] | None = None
        self._copied: Path | None = None

    def restore(self) -> None:
        """Fetch the copy if its checkpoint is newer than those of the run.

        Raises BundleError if it cannot be read, DataError if it is invalid.
        """
        files, _ = self._latest()
        own = [path.name for path in checkpoints(self.run.checkpoints)]
        theirs = [Path(name).name for name in files if name.startswith("checkpoints/")]
        if max(theirs, default="") <= max(own, default=""):
            return
        for name, size in files.items():
            self._fetch(name, size)

    def _fetch(self, name: str, size: int) -> None:
        path = (self.run.path / _file_of(name)).resolve()
        if not path.is_relative_to(self.run.path.resolve()):
            raise DataError(f"{self._objects.url}/{LATEST} names {name}, which is outside the run")
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            self._objects.download(name, file, size)

    def update(self) -> None:
        """Begin to copy the last checkpoint, unless the one before is still being copied.

        Faults are warnings, because the next checkpoint is copied again.
        """
        if self._going is None or self._going.done():
            self._going = self._thread.submit(self._try)

    def close(self) -> None:
        """Copy the last checkpoint if that has not been done; raises BundleError."""
        self._thread.shutdown()
        if next(checkpoints(self.run.checkpoints), None) != self._copied:
            self._copy()

    def _try(self) -> None:
        try:
            self._copy()
        except (BundleError, DataError, OSError) as error:
            log.warning("the checkpoint is not copied: %s", error)

    def _copy(self) -> None:
        last = next(checkpoints(self.run.checkpoints), None)
        if last is None:
            return
        files = dict(self._files(last))
        sizes = {name: _size(content) for name, content in files.items()}
        for name, content in files.items():
            self._objects.upload(name, content)
        latest = json.dumps(sizes).encode()
        before, tag = self._latest()
        self._objects.swap(LATEST, latest, tag)
        self._objects.delete(sorted(before.keys() - files.keys()))
        self._copied = last

    def _files(self, checkpoint: Path) -> Iterator[tuple[str, bytes | Path]]:
        """Names of objects and what they will hold; files that change are read only once."""
        run = self.run
        small = run.config_file, run.stats_file, run.watchdog_file, run.codes_file, run.mlflow_file
        for path in small:
            if path.exists():
                content = path.read_bytes()
                yield f"{hashlib.sha256(content).hexdigest()[:16]}/{path.name}", content
        for path in (*sorted(run.snapshots.glob("[0-9]*.safetensors"))[-1:], checkpoint):
            yield str(path.relative_to(run.path)), path

    def _latest(self) -> tuple[dict[str, int], str | None]:
        """The files of the last copy with their sizes in bytes, and the tag of `latest.json`."""
        try:
            found = self._objects.read(LATEST, LATEST_BYTES)
        except BundleError as error:
            if error.reason == "object_missing":
                return {}, None
            raise
        assert found is not None  # without a tag there is always an answer
        try:
            files = {str(name): int(size) for name, size in json.loads(found.contents).items()}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{self._objects.url}/{LATEST} is invalid: {error}") from error
        return files, found.tag


def _file_of(name: str) -> str:
    """The path in the run of an object; copies of earlier versions have no hashes."""
    return re.sub(r"^[0-9a-f]{16}/", "", name)


def _size(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
