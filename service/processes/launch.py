"""Starts the service: in this process, or in several that share the work."""

import functools
import socket
import sys
from typing import Any

from mirage.service.engines.providers import MAX_ENGINES
from mirage.service.host import available_cpus, raise_file_limit
from mirage.service.processes.announcement import warn_if_empty
from mirage.service.processes.server import BACKLOG, DrainingServer, run_server
from mirage.service.processes.supervisor import Supervisor
from mirage.service.processes.worker import Shared, serve_as_worker
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.sharing.rate_buckets import SharedBuckets
from mirage.service.telemetry.aggregation import shared_metrics


def plan_workers(settings: Settings) -> int:
    """Return the number of workers: the setting, or else one for each available CPU.

    This holds with a GPU, too, which generates faster than one process can answer. Other systems
    than Linux get one process, because their system libraries are not safe to use after a fork.
    """
    if settings.workers is not None:
        return settings.workers
    if sys.platform != "linux":
        return 1
    return min(settings.threads or available_cpus(), MAX_ENGINES)


def share_of(settings: Settings, workers: int) -> Settings:
    """Return the settings of one of several workers, with its share of threads, queue and memory.

    Each queue still holds the largest request.
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
            "picture_memory_bytes": settings.picture_memory_bytes // workers,
        }
    )


def shared_buckets(settings: Settings) -> SharedBuckets | None:
    """Return the rate limits' buckets for several workers; None if no caller can have a limit.

    A keys file may get its first limit while the workers run, and they can share only what was
    there before the fork.
    """
    limited = settings.images_per_minute is not None or settings.keys_file is not None
    return SharedBuckets() if limited else None


DONE = 0


class PortError(Exception):
    """The service cannot listen on the address."""


class HostError(PortError):
    """The host is neither an address nor a name that resolves to one."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM, SIGHUP or SIGINT; returns the exit code.

    Raises HostError, PortError, StartError and KeysError; WorkerFailed for the latter two in a
    worker. A second signal, or the end of the grace period, ends all processes at once.
    """
    raise_file_limit()
    warn_if_empty(settings.models)
    with _listen(settings.host, settings.port) as listener:
        count = plan_workers(settings)
        if count == 1:
            run_server(settings, functools.partial(DrainingServer, listener=listener))
            return DONE
        with shared_metrics(count) as metrics:
            counters = SharedCounters(count, settings.threads or available_cpus())
            shared = Shared(listener, counters, metrics, shared_buckets(settings))
            work = functools.partial(serve_as_worker, share_of(settings, count), shared)
            forget = (lambda number: None) if metrics is None else metrics.forget
            return Supervisor(settings, listener, BACKLOG, counters, work, forget).run()


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that a port in use is reported before models are loaded."""
    error = None
    for family, address in _addresses(host, port):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as failure:
            listener.close()
            error = error or failure
        else:
            return listener
    reason = error.strerror if error else "it has no address"
    raise PortError(f"host is {host!r} and port is {port}; {reason}")


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Return the address families and addresses of a host, IPv4 first."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError):  # the latter for what cannot be a name
        allowed = "an address of this machine such as 127.0.0.1 or ::, or a name that has one"
        raise HostError(f"host is {host!r}; allowed is {allowed}") from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)  # what `localhost` mostly means
    return [(family, address) for family, _, _, _, address in found]
