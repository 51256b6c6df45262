"""The synchronous client."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Event
from typing import Self, TypeVar, Unpack

import httpx

from mirage_client.base import BaseClient, http_request
from mirage_client.exchange import (
    Exchange,
    Outcome,
    Request,
    describe_model,
    generate_images,
    list_models,
)
from mirage_client.generate_call import GenerateCall, Options, make_call
from mirage_client.image import GeneratedImage
from mirage_client.responses import Model, ModelDetail

T = TypeVar("T")


class Client(BaseClient):
    """A synchronous, thread-safe client.

    Methods raise Refused, Unreachable or BadAnswer. Use the client as a context manager, or call
    `close`.
    """

    def generate(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> list[GeneratedImage]:
        """Generate images and return them as a list.

        count: default the number of labels or latents, else 1. Raises TypeError for unknown options
        and ValueError for contradicting counts.
        """
        return list(self.stream(count, **options))

    def stream(
        self, count: int | None = None, **options: Unpack[Options]
    ) -> Iterator[GeneratedImage]:
        """Generate images and yield them in order of their indices, with bounded memory.

        A few requests are sent ahead. All images come from the same version of the model, even if
        another one is released meanwhile.
        """
        return self._stream(make_call(count, options))

    def models(self) -> list[Model]:
        """List the models of the server."""
        return self._run(list_models(self._patience))

    def model(self, name: str) -> ModelDetail:
        """Describe a model and its versions in the server's memory."""
        return self._run(describe_model(name, self._patience))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> None:
        self._http = httpx.Client(**self._http_settings())

    def _stream(self, call: GenerateCall) -> Iterator[GeneratedImage]:
        head, rest = call.split(self._page_size)
        images = self._run(generate_images(head, self._patience))
        yield from images
        if rest:
            yield from self._ahead(rest.pinned(images[0].model, images[0].version))

    def _ahead(self, call: GenerateCall) -> Iterator[GeneratedImage]:
        """Generate pages on threads; one extra page is queued, so that no thread is idle."""
        stopped = Event()
        pages: deque[Future[list[GeneratedImage]]] = deque()
        pool = ThreadPoolExecutor(self._parallel, "mirage-client")
        try:
            for page in call.parts(self._page_size):
                pages.append(pool.submit(self._run, generate_images(page, self._patience), stopped))
                if len(pages) > self._parallel:
                    yield from pages.popleft().result()
            while pages:
                yield from pages.popleft().result()
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)

    def _run(self, exchange: Exchange[T], stopped: Event | None = None) -> T:
        """Run an exchange; raises CancelledError if `stopped` is set during a pause."""
        stopped = stopped or Event()
        try:
            attempt = next(exchange)
            while not stopped.wait(attempt.pause_s):
                attempt = exchange.send(self._send(attempt.request))
        except StopIteration as end:
            result: T = end.value
            return result
        raise CancelledError

    def _send(self, request: Request) -> Outcome:
        try:
            return self._http.request(**http_request(request))
        except httpx.RequestError as error:
            return error
