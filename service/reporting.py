"""What is told of every answer that holds images: to Prometheus, and to the client in headers."""

from bundle.manifest import Manifest
from service.entry import Outcome
from service.metrics import Metrics


def observe(
    metrics: Metrics, manifest: Manifest, images: int, outcome: Outcome, encode_s: float
) -> None:
    """Count the images of one answer, and its seconds in every stage."""
    labels = (manifest.name, str(manifest.version))
    metrics.images.labels(*labels).inc(images)
    metrics.queue_seconds.labels(*labels).observe(outcome.queue_s)
    metrics.engine_seconds.labels(*labels).observe(outcome.run_s)
    metrics.encode_seconds.labels(*labels).observe(encode_s)


def server_timing(outcome: Outcome, encode_s: float) -> str:
    """The Server-Timing header: milliseconds in the queue, in the engine and in encoding."""
    stages = {"queue": outcome.queue_s, "engine": outcome.run_s, "encode": encode_s}
    return ", ".join(f"{name};dur={1000 * seconds:.2f}" for name, seconds in stages.items())
