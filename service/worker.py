"""One of several processes of the service: serves the connections that the supervisor hands it."""

import asyncio
import functools
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn

from mirage.service.aggregation import SharedMetrics
from mirage.service.buckets import SharedBuckets
from mirage.service.channel import Channel, Message
from mirage.service.crowd import Crowd
from mirage.service.draining import DrainingServer, run_server
from mirage.service.errors import EngineStuck, StartError
from mirage.service.keys_file import KeysError
from mirage.service.metrics import Metrics
from mirage.service.rates import Rates
from mirage.service.release_barrier import ReleaseBarrier
from mirage.service.settings import Settings
from mirage.service.state import Service

log = logging.getLogger(__name__)

DONE, CRASHED, BAD_DATA, OUT_OF_STEP = 0, 1, 3, 7
AT_ONCE = 16  # connections that are taken before anything else is looked at
CHECK_S = 1.0  # between two looks at whether the engine is stuck


def serve_as_worker(
    settings: Settings,
    folder: Path,
    crowd: Crowd,
    barrier: ReleaseBarrier,
    shared: SharedMetrics | None,
    number: int,
    channel: Channel,
) -> int:
    """Be worker `number` of a crowd until told to stop; returns the exit code.

    In `folder` the workers find each other, in `shared` they count.
    """
    crowd.take_place(number)
    barrier.take_place(number)
    buckets = SharedBuckets(folder / "buckets.sqlite")
    if shared is not None:
        shared.join(number)
    server = functools.partial(
        WorkerServer,
        crowd=crowd,
        channel=channel,
        rates=Rates(settings.images_per_minute, buckets=buckets),
    )
    try:
        run_server(settings, server, crowd, Metrics(shared, is_whole=False), barrier)
    except (StartError, KeysError) as error:
        channel.tell(Message("failed", code=BAD_DATA, text=str(error)))
        return BAD_DATA
    except OutOfStep:
        return OUT_OF_STEP
    return DONE


class OutOfStep(Exception):
    """The other workers serve a release that this one could not load."""


class WorkerServer(DrainingServer):
    """Does as the supervisor tells it, and stops when there is none any more."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        crowd: Crowd,
        channel: Channel,
        rates: Rates,
    ) -> None:
        super().__init__(config, service)
        service.rates = rates
        service.models.follower.when_behind = self.stop
        self._crowd = crowd
        self._channel = channel
        self._connecting: set[asyncio.Task[Any]] = set()
        self._ended = threading.Event()

    async def run_until_stopped(self) -> None:
        """Serve what comes over the channel."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        await super().run_until_stopped()
        self._ended.set()
        if self._service.models.follower.is_behind:
            raise OutOfStep

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections, and say so."""
        await super().startup(sockets)
        if self._service.models.follower.is_behind:  # before it could stop anything
            self.stop()
        self._loop.add_reader(self._channel.fileno(), self._hear)
        self._channel.tell(Message("ready"))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave signals to the supervisor."""

    def _hear(self) -> None:
        for _ in range(AT_ONCE):
            if (message := self._channel.hear()) is None:
                return
            if message.connection is not None:
                self._take(message.connection)
            elif message.word == "drain":
                self._service.draining = True
            elif message.word == "leave":
                self.leave_at_once()
            else:  # stop, or the supervisor is gone
                self._loop.remove_reader(self._channel.fileno())
                self.stop()
                return

    def _take(self, connection: socket.socket) -> None:
        task = self._loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol: Callable[[], asyncio.Protocol] = functools.partial(
            cast(Any, self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            dropped=self._crowd.drop,
        )
        await self._loop.connect_accepted_socket(protocol, connection)

    def _watch(self) -> None:
        """End this process when its engine hangs: the supervisor starts another.

        On a thread, for an engine that hangs may hold the event loop up.
        """
        while not self._ended.wait(CHECK_S):
            try:
                self._service.check_alive()
            except EngineStuck as error:
                log.error("worker ends: %s", error.detail)
                os._exit(CRASHED)
