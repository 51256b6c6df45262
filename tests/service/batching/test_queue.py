"""The queue, and how it forms batches."""

import asyncio
import math
from collections.abc import Callable

import numpy as np

from mirage.service.batching.queue import Entry, EntryResult, Queue, StreamedEntry


def with_queue(test: Callable[[Queue], None], max_batch_size: int = 8) -> None:
    async def run() -> None:
        test(Queue(max_batch_size))

    asyncio.run(run())


def put(queue: Queue, size: int, arrived: float = 0.0, deadline: float = math.inf) -> Entry:
    entry = Entry((np.arange(size),), deadline, arrived)
    queue.append(entry)
    return entry


def sizes(queue: Queue, room: int = 8, now: float = 0.0) -> list[int]:
    return [part.size for part in queue.take_batch(room, now)]


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


def put_shaped(queue: Queue, size: int, *shape: int) -> Entry:
    """An entry whose items are pictures of this shape, as much work as they have pixels."""
    entry = Entry((np.zeros((size, *shape)),), math.inf, 0.0, weight=math.prod(shape))
    queue.append(entry)
    return entry


def test_a_batch_has_one_shape_and_others_keep_their_turns() -> None:
    def test(queue: Queue) -> None:
        first, other, third = (put_shaped(queue, 2, *s) for s in ((2, 2), (2, 1), (2, 2)))
        assert [part.entry for part in queue.take_batch(16, 0.0)] == [first, third]
        assert [part.entry for part in queue.take_batch(16, 0.0)] == [other]
        assert not queue

    with_queue(test, 16)


def test_room_is_counted_in_work() -> None:
    def test(queue: Queue) -> None:
        put_shaped(queue, 9, 2, 2)
        assert (queue.waiting, queue.work) == (9, 36)
        assert sizes(queue, room=16) == [4]
        assert sizes(queue, room=15) == [3]
        assert (queue.waiting, queue.work) == (2, 8)
        assert queue.work_until(8) == 8 + 8

    with_queue(test, 16)


def test_an_item_that_is_larger_than_a_batch_is_one() -> None:
    def test(queue: Queue) -> None:
        put_shaped(queue, 2, 5, 5)
        assert sizes(queue, room=16) == [1]
        assert sizes(queue, room=16) == [1]

    with_queue(test, 16)


def test_an_entry_pauses_where_its_window_ends() -> None:
    def test(queue: Queue) -> None:
        entry = StreamedEntry((np.arange(9),), math.inf, 0.0, window=3)
        queue.append(entry)
        assert sizes(queue) == [3]
        assert not queue.has_work()
        assert sizes(queue) == []
        put(queue, 2)
        assert sizes(queue) == [2]
        entry.consume(EntryResult(np.arange(2), 0.0, 0.0))
        assert queue.has_work()
        assert sizes(queue) == [2]
        queue.leave(entry)
        assert queue.has_work()  # until it is removed
        assert sizes(queue) == []
        assert not queue

    with_queue(test)
