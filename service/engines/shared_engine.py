"""An engine with the CPUs of all workers, shared by the runners of one worker."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mirage.service.engines.engine import Array, Engine


class SharedEngine:
    """Wraps an engine so that any thread may call it, one at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()

    def try_run(self, inputs: Sequence[Array]) -> NDArray[np.uint8] | None:
        """Like `Engine.run`, or return None if another thread uses the engine."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self.engine.run(inputs)
        finally:
            self._lock.release()

    def release_memory(self) -> None:
        """Release memory unless a thread uses the engine."""
        if self._lock.acquire(blocking=False):
            try:
                self.engine.release_memory()
            finally:
                self._lock.release()
