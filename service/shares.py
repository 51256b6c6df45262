"""How many worker processes the service runs as, and each one's share of the settings."""

import sys

from mirage.service.lanes import MOST
from mirage.service.processor import available_cpus
from mirage.service.settings import Settings


def plan_workers(settings: Settings) -> int:
    """What the settings say; else one for each CPU that is allowed.

    With a GPU, too: one process cannot answer as fast as that makes images. One alone on systems
    whose own libraries do not bear a fork.
    """
    if settings.workers is not None:
        return settings.workers
    if sys.platform != "linux":
        return 1
    return min(settings.threads or available_cpus(), MOST)


def share_of(settings: Settings, workers: int) -> Settings:
    """The settings of one of so many workers: its part of the threads and of the queue.

    The queue of each still holds the largest request.
    """
    cpus = settings.threads or available_cpus()
    threads = max(1, cpus // workers)
    queue_images = max(-(-settings.queue_images // workers), settings.images_per_request)
    return settings.model_copy(
        update={
            "threads": threads,
            "encode_threads": max(1, (settings.encode_threads or cpus) // workers),
            "queue_images": min(settings.queue_images, queue_images),
            "queue_megapixels": settings.queue_megapixels / workers,
        }
    )
