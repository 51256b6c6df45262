"""Reads files of published versions, and verifies each again only if it has changed."""

from collections import OrderedDict
from pathlib import Path

from mirage.bundle.format.folder import Signature, open_folder
from mirage.bundle.format.limits import DEFAULT_LIMITS
from mirage.bundle.format.manifest import Manifest

MAX_FILES = 1024  # entries of some hundred bytes: card and samples of 512 versions


class VerifiedFiles:
    """A cache of the files whose hash matched their manifest. Thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, tuple[Signature, str]] = OrderedDict()

    def read(self, path: Path, manifest: Manifest, name: str) -> bytes:
        """Read a file that the manifest of the version in `path` lists.

        Raises BundleError `file_…` if it is a link, missing, or differs from the manifest.
        """
        entry, limit_bytes = manifest.files[name], DEFAULT_LIMITS.file_bytes(name)
        with open_folder(path) as folder:
            found = folder.signature(name), entry.sha256
            if self._known.get(path / name) == found:
                return folder.read(name, limit_bytes)
            contents = folder.scan(name, entry, limit_bytes, keep_bytes=limit_bytes)
        self._known[path / name] = found
        while len(self._known) > MAX_FILES:
            self._known.popitem(last=False)
        return contents
