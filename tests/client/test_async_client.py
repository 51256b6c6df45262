"""What the asynchronous client does itself: the talks are tested with the other."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import pytest

from mirage_client import AsyncClient, Client, Refused, Unreachable
from tests.client.servers import Answer, Front

T = TypeVar("T")


def with_client(url: str, job: Callable[[AsyncClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with AsyncClient(url, page_size=4, parallel=3) as client:
            return await job(client)

    return asyncio.run(run())


def test_it_makes_the_same_images_as_the_other(client: Client, url: str) -> None:
    made = with_client(url, lambda other: other.generate(19, seed=7))
    assert made == client.generate(19, seed=7)


def test_models_are_listed_and_described(client: Client, url: str) -> None:
    assert with_client(url, lambda other: other.models()) == client.models()
    assert with_client(url, lambda other: other.model("toy")) == client.model("toy")


def test_requests_in_flight_are_several_but_bounded(url: str, front: Front) -> None:
    async def job(client: AsyncClient) -> int:
        stream = client.stream(100)
        await anext(stream)
        front.wait_for(3)
        return len([image async for image in stream])

    assert with_client(url, job) == 99
    assert front.most_running == 3


def test_a_busy_server_is_asked_again(url: str, front: Front) -> None:
    front.answers = [Answer(429, {"retry-after": "0"}), Answer(503, {"retry-after": "0"})]
    assert len(with_client(url, lambda client: client.generate(4))) == 4
    assert len(front.requests) == 3


def test_a_refusal_of_a_later_page_is_raised(url: str, front: Front) -> None:
    async def job(client: AsyncClient) -> None:
        async for _ in client.stream(64, seed=7):
            front.answers = front.answers or [Answer(500)]

    with pytest.raises(Refused, match="500"):
        with_client(url, job)


def test_what_is_under_way_is_cancelled_when_a_stream_is_left(url: str, front: Front) -> None:
    async def job(client: AsyncClient) -> set[asyncio.Task[None]]:
        async with aclosing(client.stream(1000)) as stream:
            async for image in stream:
                if image.index == 9:
                    break
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert with_client(url, job) == set()
    assert len(front.requests) < 10


def test_nobody_listening_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        with_client("http://127.0.0.1:1", lambda client: client.models())
