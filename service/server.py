"""Runs the application until it is told to stop, and lets it finish then."""

import asyncio
import functools
import logging
import os
import signal
import socket
import threading
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.express import Express
from service.protocol import Protocol
from service.settings import Settings
from service.state import Service

log = logging.getLogger(__name__)
BACKLOG = 2048
CUT_OFF = 1  # the exit code when somebody was not answered


class PortError(Exception):
    """The address to listen on cannot be had."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises PortError and StartError.

    A second signal, or the end of the grace period, ends the process itself.
    """
    listener = _listen(settings.host, settings.port)
    with listener:
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=cast(Any, functools.partial(Protocol, express=Express(app.state.service))),
            lifespan="off",  # it runs here, so that its errors arrive as they are
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            server_header=False,
        )
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(app, config, listener))


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


async def _serve(app: FastAPI, config: uvicorn.Config, listener: socket.socket) -> None:
    async with app.router.lifespan_context(app):
        await DrainingServer(config, app.state.service).serve([listener])
    log.info("stopped")


class DrainingServer(uvicorn.Server):
    """Goes on serving, as not ready, for the drain delay after SIGTERM; a second one ends all."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        for listener in sockets or ():
            log.info("ready host=%s port=%d", *listener.getsockname()[:2])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal; unlike uvicorn's, it is not raised again at the end: exit 0."""
        again, self._service.draining = self._service.draining, True
        if again:
            self._leave("stopped at once", CUT_OFF if self._service.unanswered else 0)
        delay_s = self._service.settings.drain_delay_s if sig == signal.SIGTERM else 0
        self._loop.call_soon_threadsafe(self._loop.call_later, delay_s, self._stop)

    def _stop(self) -> None:
        """Take nothing more, and leave when what is in flight is finished or grace has ended."""
        self._service.refusing = self.should_exit = True
        # On a thread of its own, and to the very end: a run that hangs holds everything else up.
        grace = threading.Timer(
            self._service.settings.grace_s, self._leave, ("grace is over", CUT_OFF)
        )
        grace.daemon = True
        grace.start()

    def _leave(self, why: str, code: int) -> None:
        log.warning("%s requests=%d", why, len(self._service.unanswered))
        os._exit(code)
