"""A verified version under another number."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mirage.bundle.format.card import CARD, retitled
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import read_file


@dataclass(frozen=True)
class Renumbered:
    """manifest: the bytes of the manifest. files: the other files that differ, by name."""

    manifest: bytes
    files: dict[str, bytes]


def renumber(path: Path, manifest: Manifest, contents: bytes, number: int) -> Renumbered:
    """The manifest and the model card of the version in `path`, which say `number`.

    manifest, contents: the version's own manifest, and its bytes.
    """
    fields: dict[str, Any] = json.loads(contents)
    fields["version"] = number
    files = {}
    if CARD in manifest.files:
        old, new = (f"{manifest.name}@{each}" for each in (manifest.version, number))
        text = read_file(path, manifest, CARD).decode(errors="surrogateescape")
        card = retitled(text, old, new).encode(errors="surrogateescape")
        fields["files"][CARD] = {"sha256": sha256(card).hexdigest(), "size_bytes": len(card)}
        files[CARD] = card
    return Renumbered((json.dumps(fields, indent=2) + "\n").encode(), files)
