"""Starts the service: in this process, or in several that share the work."""

import functools
import socket
import tempfile
from pathlib import Path

from mirage.service.aggregation import shared_metrics
from mirage.service.crowd import Crowd
from mirage.service.draining import BACKLOG, DrainingServer, run_server
from mirage.service.processor import available_cpus
from mirage.service.release_barrier import ReleaseBarrier
from mirage.service.settings import Settings
from mirage.service.shares import plan_workers, share_of
from mirage.service.supervisor import Supervisor
from mirage.service.worker import serve_as_worker

DONE = 0


class PortError(Exception):
    """The address to listen on cannot be had."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises PortError, StartError and KeysError; WorkerFailed for the latter two in a worker.
    A second signal, or the end of the grace period, ends all at once.
    """
    with _listen(settings.host, settings.port) as listener:
        count = plan_workers(settings)
        if count == 1:
            run_server(settings, functools.partial(DrainingServer, listeners=[listener]))
            return DONE
        with (
            tempfile.TemporaryDirectory(prefix="mirage-") as folder,
            shared_metrics(count) as shared,
        ):
            crowd = Crowd(count, settings.threads or available_cpus())
            share = share_of(settings, count)
            barrier = ReleaseBarrier()
            work = functools.partial(serve_as_worker, share, Path(folder), crowd, barrier, shared)
            forget = (lambda number: None) if shared is None else shared.forget
            return Supervisor(settings, listener, BACKLOG, crowd, work, forget).run()


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is known before models are loaded."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortError(f"host is {host!r} and port is {port}; {error.strerror}") from None
    return listener
