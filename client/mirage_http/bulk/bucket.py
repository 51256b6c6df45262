"""A prefix in object storage as the place of a dataset."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from ..errors import DatasetError, MissingPackage, Unreachable
from .place import MAX_BYTES

if TYPE_CHECKING:
    from mirage.bundle.remote.objects import ObjectStore

T = TypeVar("T")

FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 15.0
INSTALL = "pip install -e '.[s3]' in a checkout of Mirage"


class BucketPlace:
    """The objects whose names begin with a URL; see `Place`.

    Requests are repeated for `patience_s` seconds while the store cannot be reached. Raises
    Unreachable after that, and DatasetError for other errors of the store.
    """

    def __init__(self, objects: "ObjectStore", patience_s: float) -> None:
        self._objects = objects
        self._patience_s = patience_s

    def exists(self, name: str) -> bool:
        """See `Place`."""
        return self._patiently(lambda: self._objects.exists(name))

    def read(self, name: str) -> bytes | None:
        """See `Place`."""

        def read() -> bytes | None:
            if not self._objects.exists(name):
                return None
            return self._objects.get(name, MAX_BYTES)

        return self._patiently(read)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """See `Place`; the object is downloaded to a temporary file without a name."""
        size = self._patiently(lambda: self._objects.size(name))
        if size is None:
            raise FileNotFoundError(name)
        with tempfile.TemporaryFile() as file:

            def download() -> None:
                file.seek(0)
                self._objects.download(name, file, size)

            self._patiently(download)
            file.seek(0)
            yield file

    @contextmanager
    def new(self, name: str) -> Iterator[BinaryIO]:
        """See `Place`; the draft is a temporary file, and is in memory while it is sent."""
        with tempfile.TemporaryFile() as file:
            yield file
            file.flush()
            # The file has no name that a killed process could leave behind; this one opens it.
            draft = Path(f"/dev/fd/{file.fileno()}")
            self._patiently(lambda: self._create(name, draft))

    def tidy(self) -> None:
        """See `Place`; drafts have no names."""

    def _create(self, name: str, draft: Path) -> None:
        from mirage.bundle.errors import BundleError

        try:
            self._objects.create(name, draft)
        except BundleError as error:
            if error.reason != "object_exists":  # by another process, or before a lost answer
                raise

    def _patiently(self, action: Callable[[], T]) -> T:
        from mirage.bundle.errors import BundleError

        until, pause = time.monotonic() + self._patience_s, FIRST_PAUSE_S
        while True:
            try:
                return action()
            except BundleError as error:
                if error.reason != "remote_unreachable":
                    raise DatasetError(str(error)) from error
                if time.monotonic() + pause > until:
                    raise Unreachable(str(error)) from error
            time.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_S)


def open_bucket(url: str, patience_s: float) -> BucketPlace:
    """The prefix with a URL; raises DatasetError, and MissingPackage without the extra `s3`."""
    try:
        from mirage.bundle.errors import BundleError
        from mirage.bundle.remote.objects import open_objects
    except ImportError as error:
        raise MissingPackage(
            f"{error.name} is not installed, which {url} needs: run {INSTALL}"
        ) from error
    try:
        return BucketPlace(open_objects(url), patience_s)
    except BundleError as error:
        kind = MissingPackage if error.reason == "extra_missing" else DatasetError
        raise kind(str(error)) from error
