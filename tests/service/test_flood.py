"""Lines of which too many come."""

import asyncio

from mirage.service.flood import LINES_S, Flood


def test_few_are_all_written() -> None:
    told: list[int] = []

    async def run() -> list[bool]:
        flood = Flood(told.append)
        return [flood.takes() for _ in range(LINES_S)]

    assert all(asyncio.run(run()))
    assert told == []


def test_of_many_the_first_are_and_the_others_are_counted() -> None:
    told: list[int] = []

    async def run() -> list[bool]:
        ended = asyncio.Event()

        def tell(count: int) -> None:
            told.append(count)
            ended.set()

        flood = Flood(tell)
        first = [flood.takes() for _ in range(LINES_S + 7)]
        await ended.wait()
        return [*first, flood.takes()]

    assert asyncio.run(run()) == [True] * LINES_S + [False] * 7 + [True]
    assert told == [7]
