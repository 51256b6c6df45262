"""One engine with the CPUs of all workers, that the lanes of a worker share."""

import threading

import numpy as np
from numpy.typing import NDArray

from mirage.service.engine import Engine, Labels


class WideEngine:
    """An engine for one lone request at a time; any thread may call it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()

    def try_generate(
        self, latents: NDArray[np.float32], labels: Labels
    ) -> NDArray[np.uint8] | None:
        """The images, or None while another lane uses the engine."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self.engine.generate(latents, labels)
        finally:
            self._lock.release()

    def rest(self) -> None:
        """Give memory back, unless a lane uses the engine."""
        if self._lock.acquire(blocking=False):
            try:
                self.engine.rest()
            finally:
                self._lock.release()
