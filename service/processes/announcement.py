"""What an operator reads when the service starts."""

import logging
import socket
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.store.layout import list_models
from mirage.bundle.store.release import readable_release

log = logging.getLogger(__name__)

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # an address of this machine that reaches each


def log_ready(listener: socket.socket) -> None:
    """Log that the service is ready, and the address for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    log.info("ready host=%s port=%d", host, port)
    log.info("address %s", url_of(host, port))


def url_of(host: str, port: int) -> str:
    """The URL of a numeric address; for all addresses of the machine, that of the loopback."""
    host = WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def warn_if_empty(models: Path) -> None:
    """Log how to get a model if a folder has no released one."""
    try:
        if any(readable_release(models, name) for name in list_models(models)):
            return
    except (BundleError, OSError):
        return  # the registry reports what is wrong with the folder
    log.warning(
        "no model is released in %s; `mirage export RUN --to %s/NAME` publishes a trained run, and"
        " `mirage bundle release NAME VERSION --models %s` releases a version",
        *(models,) * 3,
    )
