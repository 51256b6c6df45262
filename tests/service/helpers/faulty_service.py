"""`python -m tests.service.helpers.faulty_service`: the service, of which worker 1 once
fails to load version 2.

The environment variable FAULT says how: `passing` as when memory is short, `lasting` as when the
images are wrong. What marks that it has happened lies beside the model.
"""

import os
import sys
from pathlib import Path

from mirage.service.__main__ import main
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.versions import cache
from mirage.service.versions.loading import LoadError, Prepared, prepare


def fail_once(path: Path, settings: Settings, counters: SharedCounters | None) -> Prepared:
    """As `prepare`."""
    mark = path.parent / ".failed"
    if path.name == "2" and counters is not None and counters.worker == 1 and not mark.exists():
        mark.touch()
        if os.environ["FAULT"] == "passing":
            raise MemoryError
        raise LoadError("golden_mismatch", "the golden images differ")
    return prepare(path, settings, counters)


if __name__ == "__main__":
    cache.prepare = fail_once  # type: ignore[assignment]
    sys.exit(main(sys.argv[1:]))
