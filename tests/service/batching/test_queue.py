"""The queue, and how it forms batches."""

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
    return [part.size for part in queue.form(room, now)]


def test_entries_share_batches_equally_in_turn() -> None:
    def test(queue: Queue) -> None:
        for size in (10, 1, 10):
            put(queue, size)
        assert sizes(queue) == [2, 1, 2, 2, 1]
        assert queue.waiting == 13

    with_queue(test)


def test_late_and_withdrawn_entries_are_in_no_batch() -> None:
    def test(queue: Queue) -> None:
        put(queue, 1, deadline=5.0)
        left = put(queue, 2)
        put(queue, 3)
        queue.leave(left)
        assert queue.waiting == 4
        assert sizes(queue, now=6.0) == [3]
        assert not queue

    with_queue(test)


def test_entries_that_are_over_are_removed_even_without_room() -> None:
    def test(queue: Queue) -> None:
        put(queue, 1, deadline=5.0)
        queue.leave(put(queue, 2))
        assert sizes(queue, room=0, now=6.0) == []
        assert not queue
        put(queue, 1)
        assert sizes(queue, room=0) == []
        assert len(queue) == 1

    with_queue(test)


def test_each_entry_ahead_delays_a_new_one_by_at_most_a_share() -> None:
    def test(queue: Queue) -> None:
        put(queue, 1)
        assert queue.work_until(1) == 2
        large = put(queue, 100)
        assert queue.work_until(1) == 1 + 1 + 2
        assert queue.work_until(50) == 50 + 1 + 50
        queue.leave(large)
        assert queue.work_until(1) == 2

    with_queue(test)


def test_oldest_is_the_earliest_arrival() -> None:
    def test(queue: Queue) -> None:
        assert queue.oldest() is None
        put(queue, 1, arrived=3.0)
        put(queue, 1, arrived=2.0)
        assert queue.oldest() == 2.0

    with_queue(test)
