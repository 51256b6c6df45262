"""How many engines run side by side in a worker, with how many threads each, and on which GPU."""

from dataclasses import dataclass

from mirage.service.processor import available_cpus
from mirage.service.provider import Kind
from mirage.service.settings import Settings

MOST = 8  # each lane holds the weights once more


@dataclass(frozen=True)
class Lanes:
    """`count` engines with `threads` compute threads each, spread over `gpus`.

    The lanes of `workers` take turns with the GPUs; these are those of number `worker`.
    """

    count: int
    threads: int
    gpus: int
    worker: int = 0
    workers: int = 1

    def device(self, lane: int) -> int:
        """The number of a lane's GPU."""
        return (self.worker + lane * self.workers) % self.gpus


def plan_lanes(kind: Kind, settings: Settings, worker: int = 0, workers: int = 1) -> Lanes:
    """What the settings say; else a lane for each GPU, or for each CPU that is allowed.

    `settings` are those of worker number `worker`, whose share is less where there are several.
    One thread per lane loses nothing to waiting for others; a batch waits less for its turn.
    """
    cpus = settings.threads or available_cpus()
    if kind.provider == "cuda":
        chosen = -(-settings.gpus // workers)
    else:
        chosen = min(cpus, max(1, MOST // workers))  # of all workers as many as of one
    count = settings.lanes or chosen
    return Lanes(count, max(1, cpus // count), settings.gpus, worker, workers)
