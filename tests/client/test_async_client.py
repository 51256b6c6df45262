"""The asyncio client; exchanges are tested with the synchronous one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import pytest

from mirage.client import AsyncClient, Client, Refused, Unreachable
from mirage.client.generate_call import Options
from tests.client.servers import Answer, Proxy

T = TypeVar("T")


def with_client(url: str, job: Callable[[AsyncClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with AsyncClient(url, page_size=4, parallel=3) as client:
            return await job(client)

    return asyncio.run(run())


def test_returns_the_same_images_as_the_synchronous_client(client: Client, url: str) -> None:
    made = with_client(url, lambda other: other.generate(19, seed=7))
    assert made == client.generate(19, seed=7)
    options: Options = {"seed": 7, "model": "plain", "directions": {"0": 2.0}}
    moved = with_client(url, lambda other: other.generate(6, **options))
    assert moved == client.generate(6, **options)


def test_lists_and_describes_models(client: Client, url: str) -> None:
    assert with_client(url, lambda other: other.models()) == client.models()
    assert with_client(url, lambda other: other.model("toy")) == client.model("toy")


def test_bounds_concurrent_requests(url: str, proxy: Proxy) -> None:
    async def job(client: AsyncClient) -> int:
        stream = client.stream(100)
        await anext(stream)
        proxy.wait_for(3)
        return len([image async for image in stream])

    assert with_client(url, job) == 99
    assert proxy.most_running == 3


def test_retries_while_the_server_is_busy(url: str, proxy: Proxy) -> None:
    proxy.answers = [Answer(429, {"retry-after": "0"}), Answer(503, {"retry-after": "0"})]
    assert len(with_client(url, lambda client: client.generate(4))) == 4
    assert len(proxy.requests) == 3


def test_raises_the_error_of_a_later_page(url: str, proxy: Proxy) -> None:
    async def job(client: AsyncClient) -> None:
        async for _ in client.stream(64, seed=7):
            proxy.answers = proxy.answers or [Answer(500)]

    with pytest.raises(Refused, match="500"):
        with_client(url, job)


def test_leaving_a_stream_cancels_its_requests(url: str, proxy: Proxy) -> None:
    async def job(client: AsyncClient) -> set[asyncio.Task[None]]:
        async with aclosing(client.stream(1000)) as stream:
            async for image in stream:
                if image.index == 9:
                    break
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert with_client(url, job) == set()
    assert len(proxy.requests) < 10


def test_raises_unreachable_without_a_server() -> None:
    with pytest.raises(Unreachable):
        with_client("http://127.0.0.1:1", lambda client: client.models())
