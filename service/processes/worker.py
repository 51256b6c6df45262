"""A worker process: serves the connections that it accepts."""

import functools
import logging
import os
import socket
import threading
from dataclasses import dataclass, field
from types import FrameType

import uvicorn

from mirage.service.api.state import Service
from mirage.service.errors import EngineStuck, KeysError, StartError
from mirage.service.processes.ipc import Channel, Message
from mirage.service.processes.server import DrainingServer, run_server
from mirage.service.processes.supervisor import OUT_OF_STEP
from mirage.service.settings import Settings
from mirage.service.sharing.counters import Phase, SharedCounters
from mirage.service.sharing.rate_buckets import SharedBuckets
from mirage.service.sharing.release_barrier import ReleaseBarrier
from mirage.service.telemetry.aggregation import SharedMetrics
from mirage.service.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

DONE, CRASHED, BAD_DATA = 0, 1, 3
BEAT_S = 0.1  # interval of the heartbeats, at which a worker also follows the phase
CHECK_S = 1.0  # interval of the checks for a stuck engine


@dataclass(frozen=True)
class Shared:
    """The objects that all workers share. Create them before the fork."""

    listener: socket.socket
    counters: SharedCounters
    metrics: SharedMetrics | None  # None: each worker has metrics of its own
    buckets: SharedBuckets | None = None  # None: no caller has a limit
    barrier: ReleaseBarrier = field(default_factory=ReleaseBarrier)


def serve_as_worker(settings: Settings, shared: Shared, number: int, channel: Channel) -> int:
    """Run worker `number` until it is stopped; returns the exit code."""
    shared.counters.set_worker(number)
    shared.barrier.set_worker(number)
    if shared.metrics is not None:
        shared.metrics.join(number)
    server = functools.partial(WorkerServer, shared=shared, channel=channel)
    metrics = Metrics(shared.metrics, is_whole=False)
    try:
        run_server(settings, server, shared.counters, metrics, shared.barrier)
    except (StartError, KeysError) as error:
        channel.send(Message("failed", code=BAD_DATA, text=str(error)))
        return BAD_DATA
    except OutOfStep:
        return OUT_OF_STEP
    return DONE


class OutOfStep(Exception):
    """The other workers serve a release that this one could not load."""


class WorkerServer(DrainingServer):
    """Follows the phase that the supervisor sets, and stops if the supervisor has ended."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        shared: Shared,
        channel: Channel,
    ) -> None:
        super().__init__(config, service, shared.listener, shared.counters)
        if shared.buckets is not None:
            service.limit_rates(shared.buckets)
        service.models.follower.when_behind = self.stop
        self._counters = shared.counters
        self._channel = channel
        self._phase = Phase.LOADING
        self._supervisor = os.getppid()
        self._ended = threading.Event()

    async def run_until_stopped(self) -> None:
        """Serve, while a thread watches the engine. Raises OutOfStep."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        await super().run_until_stopped()
        self._ended.set()
        if self._service.models.follower.is_behind:
            raise OutOfStep

    def begin(self) -> None:
        """Report that this worker is ready. It accepts connections once the phase is SERVING."""
        if (
            self._service.models.follower.is_behind
        ):  # it fell behind before the server could be stopped
            self.stop()
        self._loop.add_reader(self._channel.fileno(), self._receive)
        self._counters.set_accepting(True)  # other workers leave it its share of connections
        self._beat()
        self._channel.send(Message("ready"))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave signals to the supervisor."""

    def _beat(self) -> None:
        """Record a heartbeat of the event loop, and follow the phase."""
        self._counters.beat()
        self._loop.call_later(BEAT_S, self._beat)
        if (phase := self._counters.phase) > self._phase:
            self._follow(phase)

    def _follow(self, phase: Phase) -> None:
        self._phase = phase
        if phase == Phase.LEAVING:
            self.leave_at_once()
        elif phase == Phase.STOPPING:
            self.stop()
        else:
            self._acceptor.start()
            self._service.draining = phase == Phase.DRAINING

    def _receive(self) -> None:
        """Stop when the channel closes. The supervisor never sends messages on it."""
        if (message := self._channel.receive()) is not None and message.word == "gone":
            self._loop.remove_reader(self._channel.fileno())
            self._follow(max(self._phase, Phase.STOPPING))

    def _watch(self) -> None:
        """End this process if its engine or encoding hangs; the supervisor then starts another.

        This runs on a thread, because a hanging engine can block the event loop, which then also
        misses the end of the supervisor.
        """
        orphaned_s = 0.0
        while not self._ended.wait(CHECK_S):
            try:
                self._service.check_alive()
            except EngineStuck as error:
                log.error("worker ends: %s", error.detail)
                os._exit(CRASHED)
            if os.getppid() != self._supervisor:
                orphaned_s += CHECK_S
            if orphaned_s > self._service.settings.grace_s + CHECK_S:
                os._exit(CRASHED)
