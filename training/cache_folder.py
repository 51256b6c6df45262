"""The folder of everything that can be computed or decoded again."""

import os
from pathlib import Path


def default_cache() -> Path:
    """The default cache folder: mirage/ in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mirage"
