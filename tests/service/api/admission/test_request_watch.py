"""A request is limited to the time in which somebody waits for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from mirage.service.api.admission.request_watch import DelayedCalls, RequestWatch
from mirage.service.errors import DeadlinePassed

SLOW = 0.01


class Client:
    """What a client sends: its leaving, when told."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}


def run(scenario: Callable[[Client, DelayedCalls], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            await scenario(Client(), DelayedCalls(SLOW))

    asyncio.run(main())


def test_calls_come_late_and_in_order_on_one_timer() -> None:
    async def scenario(_: Client, slow: DelayedCalls) -> None:
        called: list[int] = []
        done = asyncio.Event()
        began = time.monotonic()
        numbers = [slow.add(lambda n=n: called.append(n)) for n in range(5)]  # type: ignore[misc]
        slow.add(done.set)
        slow.discard(numbers[1])
        await done.wait()
        assert called == [0, 2, 3, 4]
        assert time.monotonic() >= began + SLOW
        slow.discard(numbers[0])
        done.clear()
        slow.add(done.set)
        await done.wait()

    run(scenario)


def test_what_is_quick_is_not_watched() -> None:
    async def scenario(client: Client, slow: DelayedCalls) -> None:
        client.left.set()
        async with RequestWatch(client.receive, time.monotonic() + 60, slow) as watch:
            watch.has_body()
            await asyncio.sleep(0)

    run(scenario)


def test_a_body_that_does_not_come_ends_at_the_deadline() -> None:
    async def scenario(client: Client, slow: DelayedCalls) -> None:
        for seconds in (-1.0, 0.0, 0.2):
            with pytest.raises(DeadlinePassed):
                async with RequestWatch(client.receive, time.monotonic() + seconds, slow):
                    await client.left.wait()

    run(scenario)


def test_the_deadline_is_the_batchers_once_the_body_is_there() -> None:
    async def scenario(client: Client, slow: DelayedCalls) -> None:
        deadline = time.monotonic() + 0.05
        async with RequestWatch(client.receive, deadline, slow) as watch:
            watch.has_body()
            while time.monotonic() < deadline:
                await asyncio.sleep(0)

    run(scenario)


@pytest.mark.parametrize("is_slow_before", [False, True])
def test_a_job_ends_when_its_client_leaves(is_slow_before: bool) -> None:
    async def scenario(client: Client, slow: DelayedCalls) -> None:
        ended = asyncio.Event()

        async def work() -> None:
            asyncio.get_running_loop().call_soon(client.left.set)
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def read_and_work() -> None:
            is_slow = asyncio.Event()
            async with RequestWatch(client.receive, time.monotonic() + 60, slow) as watch:
                if is_slow_before:
                    slow.add(is_slow.set)
                    await is_slow.wait()
                watch.has_body()
                await work()

        with pytest.raises(ClientDisconnect):
            await read_and_work()
        assert ended.is_set()

    run(scenario)


def test_other_errors_pass() -> None:
    async def scenario(client: Client, slow: DelayedCalls) -> None:
        with pytest.raises(ValueError, match="mine"):
            async with RequestWatch(client.receive, time.monotonic() + 60, slow):
                raise ValueError("mine")
        with pytest.raises(TimeoutError):
            async with RequestWatch(client.receive, time.monotonic() + 60, slow):
                raise TimeoutError

    run(scenario)
