"""How a training ends before its end: by a signal, or for lack of disk space."""

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from mirage.training.errors import DataError
from mirage.training.optim.distributed import is_launched
from mirage.training.runs.run_dir import Run

FULL = {errno.ENOSPC, errno.EDQUOT}


class StopRequest:
    """Whether a signal has asked the training to stop.

    At SIGINT or SIGTERM the loop finishes the step, saves and stops; a second signal stops at once,
    but has no effect on a process of a group. Slurm sends signals to `torchrun` and to its
    processes, and `torchrun` passes them on, so that each arrives twice; both kill what has not
    ended after a while.
    """

    def __init__(self) -> None:
        self.made = False

    @contextmanager
    def by_signal(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM in the block."""
        handled = signal.SIGINT, signal.SIGTERM
        before = {number: signal.signal(number, self._make) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _make(self, number: int, _frame: object) -> None:
        if self.made and not is_launched():
            raise SystemExit(128 + number)
        self.made = True


@contextmanager
def told_when_full(run: Run) -> Iterator[None]:
    """Convert the OSError of a full disk to DataError; no partial files remain."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        text = f"the disk of {run.path} is full; free some space and run the same command to resume"
        raise DataError(text) from error
