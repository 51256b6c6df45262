"""The real service on a real socket, behind a proxy that can return errors."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import create_server

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Answer:
    """A response of the proxy itself; `lost` breaks the connection in the middle of it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    lost: bool = False


@dataclass
class ReceivedRequest:
    """A received request."""

    path: str
    headers: dict[str, str]
    body: bytes = b""


class Proxy:
    """Forwards requests to the service, after sending the queued responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.answers: list[Answer] = []
        self.requests: list[ReceivedRequest] = []
        self.running = self.most_running = 0
        self.wait_for(1)

    def reset(self) -> None:
        """Clear received requests and queued responses."""
        self.answers, self.requests, self.most_running = [], [], 0
        self.wait_for(1)

    def wait_for(self, company: int) -> None:
        """Hold all responses until `company` requests are in flight."""
        self._company, self._together = company, asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = ReceivedRequest(scope["path"], headers)
        self.requests.append(asked)

        async def listen() -> Message:
            message = await receive()
            asked.body += message.get("body", b"")
            return message

        self.running += 1
        self.most_running = max(self.most_running, self.running)
        if self.running >= self._company:
            self._together.set()
        try:
            await self._together.wait()
            if self.answers:
                # To close a connection with unread bytes resets it, and the answer may be lost.
                while (await listen()).get("more_body"):
                    pass
                await _give(self.answers.pop(0), send)
            else:
                await self._app(scope, listen, send)
        finally:
            self.running -= 1


async def _give(answer: Answer, send: Send) -> None:
    length = len(answer.body) + answer.lost
    headers = {"content-length": str(length), **answer.headers}
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    await send({"type": "http.response.body", "body": answer.body})


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve on a free port of loopback, on a thread; yields the address."""
    with create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, ws="none", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
