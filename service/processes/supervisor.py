"""Runs the service in several processes, which accept connections from one listener.

Python runs on one CPU at a time in a process, so with a single process the engines would wait while
it handles requests.
"""

import functools
import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mirage.service.processes.announcement import log_ready
from mirage.service.processes.ipc import Channel, open_channel
from mirage.service.settings import Settings
from mirage.service.sharing.counters import Phase, SharedCounters

log = logging.getLogger(__name__)

CRASHED, CUT_OFF = 1, 1  # exit codes
OUT_OF_STEP = 7  # of a worker that could not load what the others serve
SIGNALS_AT_ONCE = 64
STEADY_S = 10.0  # a worker that served this long resets the count of failures
RESTART_S = (0.5, 30.0)  # first and longest wait before a lost worker is started again
LOOK_S = 0.5  # interval of the checks for workers that do not respond
LEAVE_S = 1.0  # a worker that has not exited after this time is killed
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

WorkerMain = Callable[[int, Channel], int]
"""The main function of a worker: takes its number and its channel, returns the exit code."""


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
        self.ready_at: float | None = None
        self._last_beat = 0
        self._silent_s = 0.0

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return self.ready_at is not None

    def served_s(self) -> float:
        """Seconds since it became ready."""
        return 0.0 if self.ready_at is None else time.monotonic() - self.ready_at

    def silent_s(self, beat: int, elapsed_s: float) -> float:
        """Add `elapsed_s` to the time without a new heartbeat, and return that time in seconds."""
        self._silent_s = self._silent_s + elapsed_s if beat == self._last_beat else 0.0
        self._last_beat = beat
        return self._silent_s


class Supervisor:
    """Starts workers, replaces those that are lost or do not respond, and lets all of them drain.

    It forks: nothing may have started a thread in its process before. `listener` is bound; it
    listens as soon as all workers, those of `counters`, are ready. `forget` is called with the
    number of each worker that has ended.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        backlog: int,
        counters: SharedCounters,
        main: WorkerMain,
        forget: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._backlog = backlog
        self._counters = counters
        self._count = counters.workers
        self._main = main
        self._forget = forget  # called with the number of each worker that has ended
        self._workers: dict[int, Worker] = {}  # by number
        self._due: dict[int, float] = {}  # when to restart lost workers, by number
        self._failures: Counter[int] = Counter()  # in a row, by number
        self._code = 0
        self._listening = False
        self._signals: list[int] = []
        self._stop_at: float | None = None  # from the first signal on
        self._end_at: float | None = None  # from the end of the drain delay on
        self._looked_at = time.monotonic()
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until a stop signal; returns the exit code, the worst of the workers'.

        Raises WorkerFailed if a worker cannot start at first.
        """
        gc.freeze()  # so that memory stays shared with the workers
        with self._selector, self._woken_by_signals():
            try:
                for number in range(self._count):
                    self._start(number)
                while self._workers or self._due:
                    for key, _ in self._selector.select(self._select_timeout_s()):
                        key.data()
                    self._run_due_steps()
            finally:
                self._kill(self._workers.values())
                for worker in self._workers.values():
                    os.waitpid(worker.pid, 0)
        return self._code

    @contextmanager
    def _woken_by_signals(self) -> Iterator[None]:
        """Wake the selector on signals, so that they are handled between two events."""
        receiver, sender = socket.socketpair()
        receiver.setblocking(False)
        sender.setblocking(False)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            # nohup leaves SIGHUP ignored, which is respected. A shell may also start a command
            # with `&` and SIGINT ignored; that still stops the service, as in a single process.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
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
            receiver.recv(SIGNALS_AT_ONCE)
        while self._signals:
            self._handle_signal(self._signals.pop(0))

    def _handle_signal(self, number: int) -> None:
        """Drain on the first signal, or stop at once if none is ready; kill on the second."""
        now = time.monotonic()
        if not self._listening:
            self._stop_at = now
            self._kill(self._workers.values())
        elif self._stop_at is None:
            self._stop_at = now + (0 if number == signal.SIGINT else self._settings.drain_delay_s)
            self._due.clear()
            self._counters.phase = Phase.DRAINING
            self._kill(worker for worker in self._workers.values() if not worker.ready)
        else:
            self._counters.phase = Phase.LEAVING
            self._end_at = now + LEAVE_S

    def _select_timeout_s(self) -> float | None:
        """Seconds until the next scheduled step; None if there is none."""
        moments = [*self._due.values()]
        if self._stop_at is None and self._listening:
            moments.append(self._looked_at + LOOK_S)
        if (next_at := self._stop_at if self._end_at is None else self._end_at) is not None:
            moments.append(next_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _run_due_steps(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)
        if self._end_at is not None:
            if now >= self._end_at:
                self._kill(self._workers.values())
        elif self._stop_at is None:
            self._look_for_silence(now)
        elif now >= self._stop_at:
            self._stop()

    def _look_for_silence(self, now: float) -> None:
        """Kill workers whose event loop does not respond."""
        if now < self._looked_at + LOOK_S:
            return
        # Time during which this process was paused too, as in a paused container, does not count.
        elapsed_s = min(now - self._looked_at, 2 * LOOK_S)
        self._looked_at = now
        for worker in self._workers.values():
            silent_s = worker.silent_s(self._counters.last_beat(worker.number), elapsed_s)
            if worker.ready and silent_s > self._settings.heartbeat_s:
                log.error(
                    "worker does not respond number=%d silent_s=%.1f", worker.number, silent_s
                )
                self._kill([worker])

    def _stop(self) -> None:
        """Stop accepting connections, and let the workers finish."""
        self._end_at = time.monotonic() + self._settings.grace_s + LEAVE_S
        self._counters.phase = Phase.STOPPING
        # This takes effect in all processes at once, including blocked ones.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _kill(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)

    def _start(self, number: int) -> None:
        """Start a worker, or schedule another attempt if the system refuses."""
        try:
            worker = self._fork(number)
        except OSError as error:
            if not self._listening:
                reason = f"a worker cannot be started; {error.strerror}"
                raise WorkerFailed(reason, CRASHED) from None
            self._counters.count_failed_start()
            wait_s = self._plan_again(number, 0.0)
            log.error(
                "worker cannot be started number=%d again_in_s=%g: %s",
                *(number, wait_s, error.strerror),
            )
            return
        self._workers[number] = worker
        listen = functools.partial(self._listen_to, worker)
        self._selector.register(worker.channel, selectors.EVENT_READ, listen)

    def _fork(self, number: int) -> Worker:
        here, there = open_channel()
        try:
            pid = os.fork()
        except OSError:
            here.close()
            there.close()
            raise
        if pid == 0:
            here.close()
            self._become_worker(number, there)
        there.close()
        return Worker(number, pid, here)

    def _become_worker(self, number: int, channel: Channel) -> None:
        """In the forked process: release the supervisor's resources, run the worker, and exit."""
        code = CRASHED
        try:
            signal.set_wakeup_fd(-1)
            for each in STOP_SIGNALS:  # a terminal signals all processes; workers follow the phase
                signal.signal(each, signal.SIG_IGN)
            self._selector.close()
            for worker in self._workers.values():
                worker.channel.close()
            code = self._main(number, channel)
        except BaseException:
            log.exception("worker failed number=%d", number)
        finally:
            logging.shutdown()
            os._exit(code)

    def _listen_to(self, worker: Worker) -> None:
        message = worker.channel.receive()
        if message is None:
            return
        if message.word == "ready":
            worker.ready_at = time.monotonic()
            self._begin()
        elif message.word == "failed" and not self._listening:
            raise WorkerFailed(message.text, message.code)
        elif message.word == "failed":
            log.error("worker cannot start number=%d: %s", worker.number, message.text)
        elif message.word == "gone":
            self._reap(worker)

    def _begin(self) -> None:
        """Start listening as soon as all workers are ready."""
        if self._listening or self._stop_at is not None:
            return
        if len(self._workers) < self._count or not all(w.ready for w in self._workers.values()):
            return
        self._listening = True
        self._looked_at = time.monotonic()
        self._listener.listen(self._backlog)
        self._counters.phase = Phase.SERVING
        log.info("workers are ready count=%d", self._count)
        log_ready(self._listener)

    def _reap(self, worker: Worker) -> None:
        """Collect the exit status of a worker, and replace it unless the service is stopping."""
        self._selector.unregister(worker.channel)
        worker.channel.close()
        _, status = os.waitpid(worker.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        del self._workers[worker.number]
        self._counters.clear(worker.number)
        self._forget(worker.number)
        if self._stop_at is not None:
            # A worker that was out of step has answered its requests; one not ready had none.
            if code not in (0, OUT_OF_STEP) and worker.ready and self._listening:
                self._code = CUT_OFF
            return
        if not self._listening:
            raise WorkerFailed(f"a worker ended with {code} before it was ready", CRASHED)
        if worker.ready:
            self._counters.count_lost()
        else:
            self._counters.count_failed_start()
        wait_s = self._plan_again(worker.number, worker.served_s())
        log.error("worker lost number=%d code=%d again_in_s=%g", worker.number, code, wait_s)

    def _plan_again(self, number: int, served_s: float) -> float:
        """Schedule the start of a worker with exponential backoff; returns the wait in seconds."""
        if served_s > STEADY_S:
            self._failures[number] = 0
        first_s, most_s = RESTART_S
        wait_s = min(first_s * 2.0 ** min(self._failures[number], 10), most_s)
        self._failures[number] += 1
        self._due[number] = time.monotonic() + wait_s
        return wait_s
