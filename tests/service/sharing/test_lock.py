"""Locks between processes: exclusive, bounded in time, and gone with who held them."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mirage.service.sharing.lock import SharedLock

AT_ONCE, LONG = 0.0, 60.0


@contextmanager
def held_by_another_process(lock: SharedLock, number: int) -> Iterator[int]:
    """The id of a process that holds the lock until it is killed."""
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


def test_one_process_has_it_at_a_time_and_others_wait_no_longer_than_they_will() -> None:
    lock = SharedLock("test")
    with held_by_another_process(lock, 3):
        with lock.held(3, AT_ONCE) as locked:
            assert not locked
        with lock.held(4, AT_ONCE) as locked:
            assert locked


def test_a_process_that_is_killed_holds_nothing() -> None:
    lock = SharedLock("test")
    with held_by_another_process(lock, 0):
        pass
    with lock.held(0, LONG) as locked:
        assert locked


def test_so_it_is_between_threads() -> None:
    lock, found = SharedLock("test"), []

    def look() -> None:
        with lock.held(0, AT_ONCE) as locked:
            found.append(locked)

    with lock.held(0, AT_ONCE) as locked:
        assert locked
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    look()
    assert found == [False, True]
