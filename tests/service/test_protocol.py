"""Answers are sent in one piece."""

import asyncio
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.protocol import JoiningTransport, Protocol


class Sent:
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        self.pieces.append(b"<eof>")

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


@pytest.fixture
def sent() -> Sent:
    return Sent()


def on(sent: Sent, *steps: Any) -> None:
    """Do things with a joining transport, each once the loop is free again."""

    async def run() -> None:
        joining = JoiningTransport(sent, asyncio.get_running_loop())  # type: ignore[arg-type]
        for step in steps:
            step(joining)
            await asyncio.sleep(0)

    asyncio.run(run())


def both(joining: JoiningTransport) -> None:
    joining.write(b"head ")
    joining.write(b"body")


def test_a_head_and_its_body_are_one_piece(sent: Sent) -> None:
    on(sent, both)
    assert sent.pieces == [b"head body"]


def test_what_comes_alone_is_sent_once_the_loop_is_free(sent: Sent) -> None:
    on(sent, lambda joining: joining.write(b"head "), lambda joining: joining.write(b"later"))
    assert sent.pieces == [b"head ", b"later"]


def test_answers_follow_each_other_in_order(sent: Sent) -> None:
    on(sent, lambda joining: [joining.write(bytes([n])) for n in range(5)])
    assert b"".join(sent.pieces) == bytes(range(5))


def test_what_is_held_is_sent_before_the_end(sent: Sent) -> None:
    def end(joining: JoiningTransport) -> None:
        joining.write(b"head")
        joining.close()

    on(sent, end)
    assert sent.pieces == [b"head"]
    assert sent.closed


def test_a_whole_answer_is_sent_at_once_behind_what_is_held(sent: Sent) -> None:
    def end(joining: JoiningTransport) -> None:
        joining.write(b"100 Continue ")
        joining.writelines([b"head ", b"body"])
        assert sent.pieces == [b"100 Continue head body"]
        joining.writelines([b"next"])

    on(sent, end)
    assert sent.pieces == [b"100 Continue head body", b"next"]


def test_everything_else_is_the_transports_own(sent: Sent) -> None:
    on(sent, lambda joining: joining.write(joining.get_extra_info("peer").encode()))
    assert sent.pieces == [b"the peer"]


def test_a_client_that_is_still_sending_is_told_the_end_and_not_cut_off(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.protocol.UNREAD_S", 0)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        joining = JoiningTransport(sent, loop, lambda: True)  # type: ignore[arg-type]
        joining.write(b"answer")
        joining.close()
        joining.write(b"nothing more")
        joining.writelines([b"nothing more"])
        joining.close()
        assert sent.pieces == [b"answer", b"<eof>"]
        assert not sent.closed
        while not sent.closed:
            await asyncio.sleep(0)

    asyncio.run(run())


def test_what_begins_a_request_in_uvicorn_is_what_is_replaced() -> None:
    """Under another name every request would go through the application, slowly and unnoticed."""
    assert "_start_asgi_task" in vars(HttpToolsProtocol)
    assert "_start_asgi_task" in vars(Protocol)
