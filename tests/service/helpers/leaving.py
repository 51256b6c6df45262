"""Requests of clients that leave, as messages of ASGI."""

import asyncio

from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message


def ask(
    client: TestClient,
    body: bytes,
    *,
    path: str = "/upscale",
    kind: bytes = b"image/png",
    query: bytes = b"",
    leaves_after: int | None = None,
    more_body: bool = False,
) -> list[Message]:
    """What the application sends, on the loop that its models are on.

    The client leaves after so many messages, with `more_body` before it has sent all of the body.
    """
    app = client.app
    assert isinstance(app, FastAPI)
    sent: list[Message] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"content-type", kind)],
        "client": ("127.0.0.1", 1),
    }

    async def call() -> None:
        bodies = iter([{"type": "http.request", "body": body, "more_body": more_body}])
        leaving = asyncio.Event()

        async def receive() -> Message:
            if (message := next(bodies, None)) is None:
                await leaving.wait()
            return message or {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if leaves_after is not None and len(sent) >= leaves_after:
                leaving.set()

        if leaves_after == 0:
            leaving.set()
        await app(scope, receive, send)

    assert client.portal is not None
    client.portal.start_task_soon(call).result(timeout=60)
    return sent
