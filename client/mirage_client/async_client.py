"""The client for programs with an event loop."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self, TypeVar, Unpack

import httpx

from mirage_client.answers import Model, ModelDetail
from mirage_client.base import BaseClient, http_request
from mirage_client.exchange import Outcome, Request, Talk, describe, draw, list_models
from mirage_client.image import GeneratedImage
from mirage_client.order import Options, Order, make_order

T = TypeVar("T")


class AsyncClient(BaseClient):
    """Client for one event loop: the same methods, settings and errors, to be awaited."""

    async def generate(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> list[GeneratedImage]:
        """Draw images, all in memory; see Client.generate."""
        return [image async for image in self.stream(count, **options)]

    def stream(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[GeneratedImage, None]:
        """Draw any number of images in order; see Client.stream.

        Whoever leaves it early closes it (`contextlib.aclosing`), which cancels what is under way.
        """
        return self._stream(make_order(count, options))

    async def models(self) -> list[Model]:
        """The models of the server."""
        return await self._run(list_models(self._patience))

    async def model(self, name: str) -> ModelDetail:
        """One model, and the versions of it that the server holds in memory."""
        return await self._run(describe(name, self._patience))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _connect(self) -> None:
        self._http = httpx.AsyncClient(**self._http_settings())

    async def _stream(self, order: Order) -> AsyncGenerator[GeneratedImage, None]:
        head, rest = order.split(self._page_size)
        images = await self._run(draw(head, self._patience))
        for image in images:
            yield image
        if rest:
            rest = rest.pinned(images[0].model, images[0].version)
            async with aclosing(self._ahead(rest)) as ahead:
                async for image in ahead:
                    yield image

    async def _ahead(self, order: Order) -> AsyncGenerator[GeneratedImage, None]:
        """Draw pages in tasks; one more waits than runs, so that no connection is idle."""
        pages: deque[asyncio.Task[list[GeneratedImage]]] = deque()
        try:
            for page in order.parts(self._page_size):
                pages.append(asyncio.create_task(self._run(draw(page, self._patience))))
                if len(pages) > self._parallel:
                    for image in await pages.popleft():
                        yield image
            while pages:
                for image in await pages.popleft():
                    yield image
        finally:
            for task in pages:
                task.cancel()
            await asyncio.gather(*pages, return_exceptions=True)

    async def _run(self, talk: Talk[T]) -> T:
        """Carry a talk out."""
        try:
            ask = next(talk)
            while True:
                await asyncio.sleep(ask.pause_s)
                ask = talk.send(await self._send(ask.request))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, request: Request) -> Outcome:
        try:
            return await self._http.request(**http_request(request))
        except httpx.RequestError as error:
            return error
