"""Starts the service: in this process, or in several that share the work."""

import functools
import socket
from typing import Any

from mirage.service.aggregation import shared_metrics
from mirage.service.crowd import Crowd
from mirage.service.draining import BACKLOG, DrainingServer, run_server
from mirage.service.processor import available_cpus, raise_file_limit
from mirage.service.settings import Settings
from mirage.service.shares import plan_workers, share_of
from mirage.service.supervisor import Supervisor
from mirage.service.worker import Shared, serve_as_worker

DONE = 0


class PortError(Exception):
    """The address to listen on cannot be had."""


class HostError(PortError):
    """The host to listen on is neither an address nor a name that has one."""


def serve(settings: Settings) -> int:
    """Serve until SIGTERM, SIGHUP or SIGINT; returns the exit code.

    Raises HostError, PortError, StartError and KeysError; WorkerFailed for the latter two in a
    worker. A second signal, or the end of the grace period, ends all at once.
    """
    raise_file_limit()
    with _listen(settings.host, settings.port) as listener:
        count = plan_workers(settings)
        if count == 1:
            run_server(settings, functools.partial(DrainingServer, listener=listener))
            return DONE
        with shared_metrics(count) as metrics:
            crowd = Crowd(count, settings.threads or available_cpus())
            shared = Shared(listener, crowd, metrics)
            work = functools.partial(serve_as_worker, share_of(settings, count), shared)
            forget = (lambda number: None) if metrics is None else metrics.forget
            return Supervisor(settings, listener, BACKLOG, crowd, work, forget).run()


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is known before models are loaded."""
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
    """The families and addresses of a host; of a name, those of IPv4 first."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError):  # the latter for what cannot be a name
        allowed = "an address of this machine such as 127.0.0.1 or ::, or a name that has one"
        raise HostError(f"host is {host!r}; allowed is {allowed}") from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)  # what `localhost` mostly means
    return [(family, address) for family, _, _, _, address in found]
