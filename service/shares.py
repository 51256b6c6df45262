"""How many worker processes the service runs as, and each one's share of the settings."""

import sys
from collections.abc import Sequence

from service.lanes import MOST
from service.processor import available_cpus
from service.provider import kinds
from service.settings import Settings


def plan_workers(settings: Settings, providers: Sequence[str]) -> int:
    """What the settings say; else one for each CPU that is allowed.

    One alone where a GPU does the work, and where connections cannot be handed over. `providers`
    are those of onnxruntime.
    """
    if settings.workers is not None:
        return settings.workers
    runs_on = kinds(settings.provider, settings.precision, providers)
    if sys.platform != "linux" or (runs_on and runs_on[0].provider == "cuda"):
        return 1
    return min(settings.threads or available_cpus(), MOST)


def share_of(settings: Settings, workers: int) -> Settings:
    """The settings of one of so many workers: its part of the threads and of the queue.

    The queue of each still holds the largest request.
    """
    cpus = settings.threads or available_cpus()
    threads = max(1, cpus // workers)
    lanes = settings.lanes
    if lanes is None and settings.gpus == 1:
        lanes = max(1, min(threads, MOST // workers))  # all lanes together as without workers
    queue_images = max(-(-settings.queue_images // workers), settings.images_per_request)
    return settings.model_copy(
        update={
            "threads": threads,
            "lanes": lanes,
            "encode_threads": max(1, (settings.encode_threads or cpus) // workers),
            "queue_images": min(settings.queue_images, queue_images),
            "queue_megapixels": settings.queue_megapixels / workers,
        }
    )
