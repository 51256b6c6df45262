"""Watches what the models of a folder release."""

from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.store.layout import list_models
from mirage.bundle.store.release import Release, read_release
from mirage.service.stamp import Stamp, stamp_of

UNKNOWN = (-1,)  # the stamp of no file
Found = Release | BundleError | None  # what is released, why that cannot be told, or nothing


class Releases:
    """The files `release.json` of a folder of models, each read only when it has changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamps: dict[str, Stamp] = {}

    def changes(self) -> dict[str, Found]:
        """What has changed since the last call, by model: at first all models.

        It waits for the disk: call it on a thread, and one call at a time. Raises BundleError
        when the folder cannot be read.
        """
        names = {*list_models(self._root), *self._stamps}
        return {name: self._read(name) for name in sorted(names) if self._has_changed(name)}

    def forget(self, name: str) -> None:
        """Let the next call tell of a model, changed or not."""
        self._stamps[name] = UNKNOWN

    def _has_changed(self, name: str) -> bool:
        # The stamp is taken before the file is read: a change in between is seen the next time.
        stamp = stamp_of(self._root / name / "release.json")
        known = self._stamps.get(name)
        self._stamps[name] = stamp
        return stamp != known

    def _read(self, name: str) -> Found:
        try:
            return read_release(self._root, name)
        except BundleError as error:
            return error
