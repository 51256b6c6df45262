"""`python -m tests.service.helpers.hanging_service`: the service with an engine that hangs
when it is told to.

Only a fault makes a real one do so. A latent that begins with HANG never becomes an image.
"""

import sys
import threading
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from mirage.service.__main__ import main
from mirage.service.engines.engine import Engine

HANG = 99.0

if __name__ == "__main__":
    run = Engine.run

    def hang(engine: Engine, inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        if HANG in inputs[0][:, 0]:
            threading.Event().wait()
        return run(engine, inputs)

    Engine.run = hang  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
