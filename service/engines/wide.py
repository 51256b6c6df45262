"""One engine with the CPUs of all workers, that the lanes of a worker share."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mirage.service.engines.engine import Array, Engine


class WideEngine:
    """An engine for one lone request at a time; any thread may call it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()

    def try_run(self, inputs: Sequence[Array]) -> NDArray[np.uint8] | None:
        """As `Engine.run`, or None while another lane uses the engine."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self.engine.run(inputs)
        finally:
            self._lock.release()

    def release_memory(self) -> None:
        """Give memory back, unless a lane uses the engine."""
        if self._lock.acquire(blocking=False):
            try:
                self.engine.release_memory()
            finally:
                self._lock.release()
