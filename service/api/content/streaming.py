"""An answer whose body is sent while later parts of it are made."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Stream(StreamingResponse):
    """A body that is closed with its response, whoever leaves first, and what it holds then.

    What it raises has no status any more: it leaves the application, and the server drops the
    connection, so that the answer cannot be taken for whole.
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
        """Send the answer, and let go of what it holds."""
        async with self._held:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send the parts as they come."""
        async with aclosing(self._body):
            await super().stream_response(send)
