"""Runs the application on an event loop until a stop signal, and drains it."""

import asyncio
import functools
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from mirage.service.api.state import Service
from mirage.service.app import create_app
from mirage.service.host import return_large_blocks
from mirage.service.processes.acceptor import Acceptor, connection_limit
from mirage.service.processes.announcement import log_ready
from mirage.service.processes.http_protocol import HttpProtocol
from mirage.service.processes.parser_errors import answer_errors
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.sharing.release_barrier import ReleaseBarrier
from mirage.service.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

BACKLOG = 2048
# For `gc.set_threshold`. Requests create almost no reference cycles, and with thousands of them in
# flight a collection delays all by 3 to 10 ms. So collections are rare.
GARBAGE = (5_000, 5, 80)
CUT_OFF = 1  # exit code if a request was not answered


class DrainingServer(uvicorn.Server):
    """Serves for the drain delay after SIGTERM, but is not ready; a second signal ends it at once.

    `counters` are shared by all processes that accept from `listener`.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        listener: socket.socket,
        counters: SharedCounters | None = None,
    ) -> None:
        super().__init__(config)
        self._service = service
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        limit = connection_limit(service.settings.connections_per_worker)
        self._acceptor = Acceptor(
            listener, counters or SharedCounters(), limit, self._make_protocol
        )

    async def run_until_stopped(self) -> None:
        """Serve until a stop signal."""
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, self.handle_exit)
        await self.serve([])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting connections, and log it."""
        await super().startup(sockets)
        self.begin()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and finish the requests in flight."""
        self._acceptor.close()
        await super().shutdown(sockets)

    def begin(self) -> None:
        """Listen, accept, and log that the service is ready."""
        self._listener.listen(BACKLOG)
        self._acceptor.start()
        log_ready(self._listener)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start draining. Unlike in uvicorn, the signal is not raised again at the end: exit 0."""
        if self._service.draining:
            self.leave_at_once()
        self._service.draining = True
        delay_s = 0 if sig == signal.SIGINT else self._service.settings.drain_delay_s
        self._loop.call_soon_threadsafe(self._loop.call_later, delay_s, self.stop)

    def stop(self) -> None:
        """Reject new requests, and exit when the others are finished or the grace has ended."""
        if self.should_exit:
            return
        self._service.draining = self._service.refusing = self.should_exit = True
        # On a thread, because a hanging engine run can block the event loop.
        grace = threading.Timer(
            self._service.settings.grace_s, self._leave, ("grace is over", CUT_OFF)
        )
        grace.daemon = True
        grace.start()

    def leave_at_once(self) -> None:
        """End the process without waiting for requests in flight."""
        self._leave("stopped at once", CUT_OFF if self._service.unanswered else 0)

    def _make_protocol(self, dropped: Callable[[], None]) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = cast(Any, self.config.http_protocol_class)
        return make(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            dropped=dropped,
        )

    def _leave(self, why: str, code: int) -> None:
        log.warning("%s requests=%d", why, len(self._service.unanswered))
        os._exit(code)


def run_server(
    settings: Settings,
    make_server: Callable[[uvicorn.Config, Service], DrainingServer],
    counters: SharedCounters | None = None,
    metrics: Metrics | None = None,
    barrier: ReleaseBarrier | None = None,
) -> None:
    """Create a server on a new event loop, and serve. Raises StartError and KeysError."""
    app = create_app(settings, counters, metrics, barrier)
    service: Service = app.state.service
    refuse = answer_errors(service.metrics)
    config = uvicorn.Config(
        app,
        http=cast(Any, functools.partial(HttpProtocol, settings=settings, refuse=refuse)),
        ws="none",
        loop="uvloop",
        lifespan="off",  # run in `_serve`, so that its exceptions are not wrapped
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(app, config, make_server))


async def _serve(
    app: FastAPI,
    config: uvicorn.Config,
    make_server: Callable[[uvicorn.Config, Service], DrainingServer],
) -> None:
    return_large_blocks()
    async with app.router.lifespan_context(app):
        gc.collect()
        gc.freeze()  # exclude what lives as long as the process from collections
        gc.set_threshold(*GARBAGE)
        await make_server(config, app.state.service).run_until_stopped()
    log.info("stopped")
