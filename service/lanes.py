"""How many engines run side by side, with how many threads each, and on which GPU."""

from dataclasses import dataclass

from service.processor import available_cpus
from service.provider import Kind
from service.settings import Settings

MOST = 8  # each lane holds the weights once more


@dataclass(frozen=True)
class Lanes:
    """`count` engines with `threads` compute threads each; lane i uses GPU i modulo `gpus`."""

    count: int
    threads: int
    gpus: int

    def device(self, lane: int) -> int:
        """The number of a lane's GPU."""
        return lane % self.gpus


def plan_lanes(kind: Kind, settings: Settings) -> Lanes:
    """What the settings say; else a lane for each GPU, or for each CPU that is allowed.

    One thread per lane loses nothing to waiting for others; a batch waits less for its turn.
    """
    cpus = settings.threads or available_cpus()
    chosen = settings.gpus if kind.provider == "cuda" else min(cpus, MOST)
    count = settings.lanes or chosen
    return Lanes(count, max(1, cpus // count), settings.gpus)
