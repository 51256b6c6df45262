"""Verification of a bundle in a process of its own, whose memory ends with it.

Run as `python -m mirage.bundle.remote.verification …/NAME/VERSION`, it prints what is wrong.
"""

import json
import subprocess
import sys
from pathlib import Path

from mirage.bundle.errors import BundleError

TIMEOUT_S = 600.0  # the largest graph that is allowed took 20 s on one busy core


def verify_apart(path: Path) -> None:
    """Verify a bundle like `load_bundle`; raises BundleError."""
    command = [sys.executable, "-m", __name__, str(path)]
    try:
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise BundleError("file_unreadable", f"{path} could not be verified: {error}") from None
    if fault := json.loads(ended.stdout):
        raise BundleError(fault["reason"], fault["message"])


def _fault_of(path: Path) -> dict[str, str] | None:
    # Imported here, so that the process that asks for it does not need the memory.
    from mirage.bundle.format.verify import load_bundle

    try:
        load_bundle(path)
    except BundleError as error:
        return {"reason": error.reason, "message": str(error)}
    return None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_fault_of(Path(sys.argv[1]))))
