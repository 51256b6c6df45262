"""Runs the service in several processes and hands each new connection to the one with the fewest.

One interpreter runs Python on one CPU at a time, so on several of them all engines would wait for
what is around them.
"""

import functools
import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mirage.service.channel import Channel, Message, open_channel
from mirage.service.crowd import Crowd
from mirage.service.settings import Settings

log = logging.getLogger(__name__)

CRASHED, CUT_OFF = 1, 1  # exit codes
AT_ONCE = 64  # connections that are handed out before anything else is looked at
HELD_S = 0.005  # until a connection that no worker took is offered again
FULL_S = 0.1  # for which a worker that takes none is waited for, before others have more than it
STEADY_S = 10.0  # a worker that lived so long was sound
RESTART_S = (0.5, 10.0)  # until a lost worker starts again: at first, and at most
BEYOND_GRACE_S = 1.0  # after which a worker that should have ended by itself is ended

Work = Callable[[int, Channel], int]
"""What a worker does with its number and its channel: it returns the exit code."""


class WorkerFailed(Exception):
    """A worker could not start; the message is for operators, `code` for the exit."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Worker:
    """One process as the supervisor sees it."""

    def __init__(self, number: int, pid: int, channel: Channel) -> None:
        self.number = number
        self.pid = pid
        self.channel = channel
        self.began = time.monotonic()
        self.ready = False
        self._full_since: float | None = None

    def take(self, connection: socket.socket) -> bool:
        """Hand it a connection; false when it is gone, or has as many as it takes for now."""
        if self.channel.tell(Message("connection", connection)):
            self._full_since = None
            return True
        self._full_since = self._full_since or time.monotonic()
        return False

    def is_worth_waiting(self) -> bool:
        """Whether it has not been full for long."""
        return self._full_since is None or time.monotonic() < self._full_since + FULL_S


class Supervisor:
    """Starts workers, hands them connections, starts a lost one again, and lets all of them drain.

    It forks: nothing may have started a thread in its process before. `listener` is bound; it
    listens as soon as all workers, those of `crowd`, are ready.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        backlog: int,
        crowd: Crowd,
        work: Work,
        forget: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._backlog = backlog
        self._crowd = crowd
        self._count = crowd.workers
        self._work = work
        self._forget = forget  # is told the number of each worker that has ended
        self._workers: dict[int, Worker] = {}  # by number
        self._due: dict[int, float] = {}  # when those that are lost start again, by number
        self._wait_s = RESTART_S[0]
        self._turn = 0  # the number of whose it is among those that have as many connections
        self._held: socket.socket | None = None  # a connection that no worker takes for now
        self._code = 0
        self._listening = False
        self._signals: list[int] = []
        self._stop_at: float | None = None  # from the first signal on
        self._end_at: float | None = None  # from the end of the drain delay on
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until told to stop; returns the exit code, the worst of the workers'.

        Raises WorkerFailed when one cannot start at first.
        """
        gc.freeze()  # so that memory stays shared with the workers
        with self._selector, self._woken_by_signals():
            try:
                for number in range(self._count):
                    self._start(number)
                while self._workers or self._due:
                    for key, _ in self._selector.select(self._patience_s()):
                        key.data()
                    self._keep_time()
            finally:
                self._kill(self._workers.values())
                for worker in self._workers.values():
                    os.waitpid(worker.pid, 0)
        return self._code

    @contextmanager
    def _woken_by_signals(self) -> Iterator[None]:
        """Let signals end the wait, so that they are handled when nothing else is under way."""
        receiver, sender = socket.socketpair()
        receiver.setblocking(False)
        sender.setblocking(False)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        self._selector.register(
            receiver, selectors.EVENT_READ, functools.partial(self._handle_signals, receiver)
        )
        with receiver, sender:
            yield
            signal.set_wakeup_fd(-1)

    def _note_signal(self, number: int, _: FrameType | None) -> None:
        self._signals.append(number)

    def _handle_signals(self, receiver: socket.socket) -> None:
        with suppress(BlockingIOError):
            receiver.recv(AT_ONCE)
        while self._signals:
            self._handle_signal(self._signals.pop(0))

    def _handle_signal(self, number: int) -> None:
        """The first lets the workers drain, unless nothing is served yet; a second ends them."""
        if not self._listening:
            self._stop_at = time.monotonic()
            self._kill(self._workers.values())
        elif self._stop_at is None:
            delay_s = self._settings.drain_delay_s if number == signal.SIGTERM else 0
            self._stop_at = time.monotonic() + delay_s
            self._due.clear()
            self._tell_all(Message("drain"))
            self._kill(worker for worker in self._workers.values() if not worker.ready)
        else:
            self._tell_all(Message("leave"))

    def _patience_s(self) -> float | None:
        """The seconds until something is due; None when only events are waited for."""
        if self._held is not None:
            return HELD_S
        moments = [*self._due.values()]
        if (next_at := self._stop_at if self._end_at is None else self._end_at) is not None:
            moments.append(next_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _keep_time(self) -> None:
        self._hand_out_held()
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)
        if self._end_at is not None and now >= self._end_at:
            self._kill(self._workers.values())
        elif self._end_at is None and self._stop_at is not None and now >= self._stop_at:
            self._stop()

    def _stop(self) -> None:
        """Take no more connections, and let the workers finish."""
        self._end_at = time.monotonic() + self._settings.grace_s + BEYOND_GRACE_S
        if self._held is not None:
            self._held.close()
            self._held = None
        elif self._listening:
            self._selector.unregister(self._listener)
        self._listener.close()
        self._tell_all(Message("stop"))

    def _tell_all(self, message: Message) -> None:
        for worker in self._workers.values():
            worker.channel.tell(message)

    def _kill(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)

    def _start(self, number: int) -> None:
        here, there = open_channel()
        pid = os.fork()
        if pid == 0:
            here.close()
            self._become_worker(number, there)
        there.close()
        worker = self._workers[number] = Worker(number, pid, here)
        listen = functools.partial(self._listen_to, worker)
        self._selector.register(here, selectors.EVENT_READ, listen)

    def _become_worker(self, number: int, channel: Channel) -> None:
        """In the new process: let go of what is the supervisor's, work, and never come back."""
        code = CRASHED
        try:
            signal.set_wakeup_fd(-1)
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(
                    each, signal.SIG_IGN
                )  # a terminal sends them to all; the channel tells
            self._selector.close()
            self._listener.close()
            for worker in self._workers.values():
                worker.channel.close()
            code = self._work(number, channel)
        except BaseException:
            log.exception("worker failed number=%d", number)
        finally:
            logging.shutdown()
            os._exit(code)

    def _listen_to(self, worker: Worker) -> None:
        message = worker.channel.hear()
        if message is None:
            return
        if message.word == "ready":
            worker.ready = True
            self._begin()
        elif message.word == "failed" and not self._listening:
            raise WorkerFailed(message.text, message.code)
        elif message.word == "failed":
            log.error("worker cannot start number=%d: %s", worker.number, message.text)
        elif message.word == "gone":
            self._bury(worker)

    def _begin(self) -> None:
        """Listen, once all workers are ready."""
        if self._listening or not all(worker.ready for worker in self._workers.values()):
            return
        self._listening = True
        self._listener.listen(self._backlog)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        log.info("workers are ready count=%d", self._count)
        log.info("ready host=%s port=%d", *self._listener.getsockname()[:2])

    def _accept(self) -> None:
        """Hand out the connections that wait."""
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError:  # none waits, or it has left
                return
            if not self._hand_out(connection):
                self._held = connection
                self._selector.unregister(self._listener)
                return

    def _hand_out(self, connection: socket.socket) -> bool:
        """Give a connection to the worker that has the fewest, or to the next that takes it.

        In a storm of them the slower workers are waited for, or they would be left with fewer for
        as long as these connections last.
        """
        for worker in sorted(self._workers.values(), key=self._order):
            if not worker.ready:
                continue
            if worker.take(connection):
                self._turn = worker.number + 1
                self._crowd.give(worker.number)
                connection.close()
                return True
            if worker.is_worth_waiting():
                return False
        return False

    def _order(self, worker: Worker) -> tuple[int, int]:
        return self._crowd.connections(worker.number), (worker.number - self._turn) % self._count

    def _hand_out_held(self) -> None:
        """Try again what no worker took, and go on accepting when one does."""
        if self._held is not None and self._hand_out(self._held):
            self._held = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _bury(self, worker: Worker) -> None:
        """Note how a worker ended, and plan another unless all are to end."""
        self._selector.unregister(worker.channel)
        worker.channel.close()
        _, status = os.waitpid(worker.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        del self._workers[worker.number]
        self._forget(worker.number)
        if self._stop_at is not None:
            if code and worker.ready and self._listening:  # else it had nobody to answer
                self._code = CUT_OFF
            return
        if not self._listening:
            raise WorkerFailed(f"a worker ended with {code} before it was ready", CRASHED)
        self._plan_again(worker.number, time.monotonic() - worker.began)
        log.error("worker lost number=%d code=%d again_in_s=%g", worker.number, code, self._wait_s)

    def _plan_again(self, number: int, lived_s: float) -> None:
        first_s, most_s = RESTART_S
        self._wait_s = first_s if lived_s > STEADY_S else min(2 * self._wait_s, most_s)
        self._due[number] = time.monotonic() + self._wait_s
