"""The command `train` under `torchrun`, on a machine that is lost before a given step.

Environment: STEPS, a file to which the images seen before each step are appended. KILL_AT, images
seen before the step in which this process and its agent are killed; empty for never.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from mirage.training.__main__ import main
from mirage.training.runs.step import Step


class LastStep(Step):
    """A step that writes down that it begins, or kills the machine."""

    def __call__(self, nimg: int, *batches: Any) -> dict[str, float]:
        if os.environ["KILL_AT"] == str(nimg):
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        with Path(os.environ["STEPS"]).open("a") as file:
            file.write(f"{nimg}\n")
        return super().__call__(nimg, *batches)


if __name__ == "__main__":
    import mirage.training.runs.loop as loop

    loop.Step = LastStep  # type: ignore[misc]
    raise SystemExit(main(sys.argv[1:]))
