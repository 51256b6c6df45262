"""The expiry of entries at their deadlines."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from mirage.service.batching.deadlines import Deadlines
from mirage.service.batching.queue import Entry
from mirage.service.errors import DeadlinePassed

Test = Callable[[Deadlines], Awaitable[None]]


def with_deadlines(test: Test) -> None:
    async def run() -> None:
        deadlines = Deadlines(asyncio.get_running_loop())
        try:
            await test(deadlines)
        finally:
            deadlines.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def entry_of(seconds: float) -> Entry:
    now = time.monotonic()
    return Entry((np.zeros(1),), now + seconds, now)


def test_entries_expire_at_their_deadlines_in_any_order() -> None:
    async def test(deadlines: Deadlines) -> None:
        late, soon = entry_of(0.02), entry_of(0.01)
        far = entry_of(600)
        for entry in (far, late, soon):
            deadlines.watch(entry)
        for entry in (soon, late):
            with pytest.raises(DeadlinePassed):
                await entry.future
            assert time.monotonic() >= entry.deadline
        assert not far.future.done()

    with_deadlines(test)


def test_a_forgotten_entry_does_not_expire() -> None:
    async def test(deadlines: Deadlines) -> None:
        forgotten, watched = entry_of(0.01), entry_of(0.02)
        deadlines.watch(forgotten)
        deadlines.watch(watched)
        deadlines.forget(forgotten)
        with pytest.raises(DeadlinePassed):
            await watched.future
        assert not forgotten.future.done()

    with_deadlines(test)


def test_an_entry_past_its_deadline_expires_at_once() -> None:
    async def test(deadlines: Deadlines) -> None:
        entry = entry_of(-1)
        deadlines.watch(entry)
        with pytest.raises(DeadlinePassed):
            await entry.future

    with_deadlines(test)
