"""The client for programs without an event loop."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Event
from typing import Self, TypeVar, Unpack

import httpx

from mirage_client.answers import Model, ModelDetail
from mirage_client.base import BaseClient, http_request
from mirage_client.exchange import Outcome, Request, Talk, describe, draw, list_models
from mirage_client.image import GeneratedImage
from mirage_client.order import Options, Order, make_order

T = TypeVar("T")


class Client(BaseClient):
    """Draws images from a server; threads may share one.

    Its methods raise Refused, Unreachable or BadAnswer when the server gives no images. Use it as
    a context manager, or close it.
    """

    def generate(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> list[GeneratedImage]:
        """Draw images, all in memory; `count` is 1 unless labels or latents say otherwise.

        Raises TypeError and ValueError for options that contradict each other.
        """
        return list(self.stream(count, **options))

    def stream(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> Iterator[GeneratedImage]:
        """Draw any number of images in order, a few requests ahead of whoever takes them.

        All come from one version of the model, even when another is released meanwhile.
        """
        return self._stream(make_order(count, options))

    def models(self) -> list[Model]:
        """The models of the server."""
        return self._run(list_models(self._patience))

    def model(self, name: str) -> ModelDetail:
        """One model, and the versions of it that the server holds in memory."""
        return self._run(describe(name, self._patience))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> None:
        self._http = httpx.Client(**self._http_settings())

    def _stream(self, order: Order) -> Iterator[GeneratedImage]:
        head, rest = order.split(self._page_size)
        images = self._run(draw(head, self._patience))
        yield from images
        if rest:
            yield from self._ahead(rest.pinned(images[0].model, images[0].version))

    def _ahead(self, order: Order) -> Iterator[GeneratedImage]:
        """Draw pages on threads; one more waits than runs, so that none of them is idle."""
        stopped = Event()
        pages: deque[Future[list[GeneratedImage]]] = deque()
        pool = ThreadPoolExecutor(self._parallel, "mirage-client")
        try:
            for page in order.parts(self._page_size):
                pages.append(pool.submit(self._run, draw(page, self._patience), stopped))
                if len(pages) > self._parallel:
                    yield from pages.popleft().result()
            while pages:
                yield from pages.popleft().result()
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)

    def _run(self, talk: Talk[T], stopped: Event | None = None) -> T:
        """Carry a talk out; raises CancelledError when it is stopped while it waits."""
        stopped = stopped or Event()
        try:
            ask = next(talk)
            while not stopped.wait(ask.pause_s):
                ask = talk.send(self._send(ask.request))
        except StopIteration as end:
            result: T = end.value
            return result
        raise CancelledError

    def _send(self, request: Request) -> Outcome:
        try:
            return self._http.request(**http_request(request))
        except httpx.RequestError as error:
            return error
