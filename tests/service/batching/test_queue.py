"""What waits, and the batches that are formed of it."""

import asyncio
import math
from collections.abc import Callable

import numpy as np

from mirage.service.batching.queue import Entry, Queue


def with_queue(test: Callable[[Queue], None], max_batch_size: int = 8) -> None:
    async def run() -> None:
        test(Queue(max_batch_size))

    asyncio.run(run())


def put(queue: Queue, size: int, arrived: float = 0.0, deadline: float = math.inf) -> Entry:
    entry = Entry((np.arange(size),), deadline, arrived)
    queue.append(entry)
    return entry


def sizes(queue: Queue, room: int = 8, now: float = 0.0) -> list[int]:
    return [piece.size for piece in queue.form(room, now)]


def test_entries_have_equal_shares_of_a_batch_and_large_ones_come_again() -> None:
    def test(queue: Queue) -> None:
        for size in (10, 1, 10):
            put(queue, size)
        assert sizes(queue) == [2, 1, 2, 2, 1]
        assert queue.waiting == 13

    with_queue(test)


def test_what_is_late_or_withdrawn_is_in_no_batch() -> None:
    def test(queue: Queue) -> None:
        put(queue, 1, deadline=5.0)
        gone = put(queue, 2)
        put(queue, 3)
        queue.leave(gone)
        assert queue.waiting == 4
        assert sizes(queue, now=6.0) == [3]
        assert not queue

    with_queue(test)


def test_what_is_gone_leaves_though_there_is_no_room() -> None:
    def test(queue: Queue) -> None:
        put(queue, 1, deadline=5.0)
        queue.leave(put(queue, 2))
        assert sizes(queue, room=0, now=6.0) == []
        assert not queue
        put(queue, 1)
        assert sizes(queue, room=0) == []
        assert len(queue) == 1

    with_queue(test)


def test_an_entry_waits_for_a_turn_of_each_ahead_of_it_at_most() -> None:
    def test(queue: Queue) -> None:
        put(queue, 1)
        assert queue.work_until(1) == 2
        large = put(queue, 100)
        assert queue.work_until(1) == 1 + 1 + 2
        assert queue.work_until(50) == 50 + 1 + 50
        queue.leave(large)
        assert queue.work_until(1) == 2

    with_queue(test)


def test_it_tells_when_the_oldest_came() -> None:
    def test(queue: Queue) -> None:
        assert queue.oldest() is None
        put(queue, 1, arrived=3.0)
        put(queue, 1, arrived=2.0)
        assert queue.oldest() == 2.0

    with_queue(test)
