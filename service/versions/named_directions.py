"""Follows the directions that the owner of a folder of models has named; it never writes."""

import logging
import re
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.store.directions import (
    NO_DIRECTIONS,
    NamedDirections,
    read_directions,
)
from mirage.bundle.store.layout import list_models
from mirage.service.versions.releases import FileSignature, file_signature

log = logging.getLogger(__name__)

_FILE = re.compile(r"directions-([1-9][0-9]{0,8})\.json")
Key = tuple[str, int]  # name and version of a model


class DirectionFiles:
    """The files `directions-<version>.json` of a folder, each read only after it has changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._signatures: dict[Key, FileSignature] = {}
        self._named: dict[Key, NamedDirections] = {}

    def of(self, manifest: Manifest) -> NamedDirections:
        """Return the named directions of a version, without those that do not fit it."""
        named = self._named.get((manifest.name, manifest.version))
        if not named:
            return NO_DIRECTIONS
        return {called: each for called, each in named.items() if each.fits(manifest)}

    def refresh(self) -> None:
        """Read what has changed. What cannot be read is logged once and changes nothing.

        It blocks on the disk: call it on a thread, one call at a time.
        """
        try:
            names = list_models(self._root)
        except BundleError:  # the follower of releases reports it
            return
        found = {key: path for name in names for key, path in _files(self._root / name)}
        named = {key: known for key, known in self._named.items() if key in found}
        signatures = {key: file_signature(path) for key, path in found.items()}
        for key, signature in signatures.items():
            if signature != self._signatures.get(key):
                named[key] = self._read(key)
        self._signatures, self._named = signatures, named

    def _read(self, key: Key) -> NamedDirections:
        try:
            named = read_directions(self._root, *key)
        except BundleError as error:
            log.error("directions not read name=%s version=%d: %s", *key, error)
            return self._named.get(key, NO_DIRECTIONS)
        log.info("directions read name=%s version=%d count=%d", *key, len(named))
        return named


def _files(model: Path) -> list[tuple[Key, Path]]:
    try:
        paths = sorted(model.iterdir())
    except OSError:
        return []
    matches = [(path, _FILE.fullmatch(path.name)) for path in paths]
    return [((model.name, int(match[1])), path) for path, match in matches if match]
