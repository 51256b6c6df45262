"""Reports the stages of an answer in metrics and in the Server-Timing header."""

from mirage.bundle.format.manifest import Manifest
from mirage.service.batching.queue import EntryResult
from mirage.service.telemetry.metrics import Metrics


def observe(
    metrics: Metrics, manifest: Manifest, images: int, outcome: EntryResult, encode_s: float
) -> None:
    """Count the images of one answer, and its seconds in every stage."""
    answered = metrics.answered(manifest.name, manifest.version)
    if answered is None:
        return
    answered.images.inc(images)
    answered.queue_seconds.observe(outcome.queue_s)
    answered.engine_seconds.observe(outcome.run_s)
    answered.encode_seconds.observe(encode_s)


def server_timing(outcome: EntryResult, encode_s: float) -> str:
    """The Server-Timing header: milliseconds in the queue, in the engine and in encoding."""
    return (
        f"queue;dur={1000 * outcome.queue_s:.2f}, engine;dur={1000 * outcome.run_s:.2f},"
        f" encode;dur={1000 * encode_s:.2f}"
    )
