"""Streamed answers."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mirage.service.errors import ServiceError

log = logging.getLogger(__name__)


class Stream(StreamingResponse):
    """A response that streams `body`, and closes it and the stack `held` at its end.

    When the body fails, the server drops the connection: the answer then has no last chunk and
    cannot be mistaken for complete. A ServiceError, which clients can cause by reading slowly, is
    logged in one line; others leave the application.
    """

    def __init__(
        self,
        body: AsyncGenerator[bytes],
        headers: Mapping[str, str],
        media_type: str,
        held: AsyncExitStack | None = None,
    ) -> None:
        super().__init__(body, 200, headers, media_type)
        self._body = body
        self._held = held or AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, then close the stack."""
        async with self._held:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the parts, then close the body."""
        try:
            async with aclosing(self._body):
                await super().stream_response(send)
        except ServiceError as error:
            log.warning("answer is incomplete: %s", error.slug)
