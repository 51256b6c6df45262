"""Locks between processes: exclusive, with timeouts, released when their process ends."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mirage.service.sharing.lock import SharedLock

AT_ONCE, LONG = 0.0, 60.0


@contextmanager
def held_by_another_process(lock: SharedLock, number: int) -> Iterator[int]:
    """Fork a process that holds the lock until it is killed, and yield its id."""
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        with lock.held(number, LONG):
            os.write(writer, b"x")
            signal.pause()
    try:
        assert os.read(reader, 1) == b"x"
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


def test_a_lock_is_exclusive_and_acquiring_it_times_out() -> None:
    lock = SharedLock("test")
    with held_by_another_process(lock, 3):
        with lock.held(3, AT_ONCE) as locked:
            assert not locked
        with lock.held(4, AT_ONCE) as locked:
            assert locked


def test_the_lock_of_a_killed_process_is_released() -> None:
    lock = SharedLock("test")
    with held_by_another_process(lock, 0):
        pass
    with lock.held(0, LONG) as locked:
        assert locked


def test_a_lock_excludes_threads_of_one_process() -> None:
    lock, found = SharedLock("test"), []

    def try_lock() -> None:
        with lock.held(0, AT_ONCE) as locked:
            found.append(locked)

    with lock.held(0, AT_ONCE) as locked:
        assert locked
        thread = threading.Thread(target=try_lock)
        thread.start()
        thread.join()
    try_lock()
    assert found == [False, True]
