"""Workers that ask each other, here in one process."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from mirage.service.siblings import Siblings


async def hear(asker: Siblings) -> list[bytes]:
    """What a worker hears of the others, after its own."""
    own, *others = await asker.ask(lambda: b"own")
    assert own == b"own"
    return others


async def ask_first(folder: Path, answers: list[bytes], count: int) -> list[bytes]:
    """What worker 0 of `count` hears of the others, when so many answer."""
    workers = [Siblings(folder, number, count) for number in range(count)]
    with ExitStack() as stack:
        for worker, text in zip(workers, answers, strict=False):
            stack.enter_context(worker.answering(lambda text=text: text))
        return await hear(workers[0])


def test_all_others_are_heard(tmp_path: Path) -> None:
    long = b"x" * 10**6
    assert asyncio.run(ask_first(tmp_path, [b"own", b"one", long], 3)) == [b"one", long]


def test_who_is_not_there_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(ask_first(tmp_path, [b"own", b"one"], 3)) == [b"one"]
    assert "does not answer" in caplog.text


def test_who_does_not_answer_in_time_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirage.service.siblings.PATIENCE_S", 0.05)

    async def ask() -> list[bytes]:
        async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked.wait()
            writer.close()

        asked = asyncio.Event()
        async with await asyncio.start_unix_server(hang, tmp_path / "1.socket"):
            heard = await hear(Siblings(tmp_path, 0, 2))
            asked.set()
        return heard

    assert asyncio.run(ask()) == []


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_who_has_answered_is_heard_although_one_before_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., list[bytes]]
) -> None:
    monkeypatch.setattr("mirage.service.siblings.PATIENCE_S", 0.05)

    async def ask() -> list[bytes]:
        with socket.socket(socket.AF_UNIX) as hanging:
            hanging.bind(str(tmp_path / "1.socket"))
            hanging.listen()
            with Siblings(tmp_path, 2, 3).answering(lambda: b"two"):
                return await hear(Siblings(tmp_path, 0, 3))

    assert run(ask()) == [b"two"]


def test_one_that_starts_again_takes_its_place(tmp_path: Path) -> None:
    """Although what it was killed at is still there."""
    for text in (b"before", b"after"):
        assert asyncio.run(ask_first(tmp_path, [b"", text], 2)) == [text]


def test_who_takes_longer_than_the_event_loop_is_held_is_heard_too(tmp_path: Path) -> None:
    async def ask() -> list[bytes]:
        gone_on = threading.Event()

        def tell() -> bytes:
            gone_on.wait()
            return b"late"

        with Siblings(tmp_path, 1, 2).answering(tell):
            asyncio.get_running_loop().call_soon(gone_on.set)
            return await hear(Siblings(tmp_path, 0, 2))

    assert asyncio.run(ask()) == [b"late"]


def test_the_end_does_not_wait_for_ever_where_the_folder_has_been_cleaned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirage.service.siblings.PATIENCE_S", 0.01)
    with Siblings(tmp_path, 0, 2).answering(lambda: b"own"):
        (tmp_path / "0.socket").unlink()


def test_who_could_not_tell_is_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def tell() -> bytes:
        return texts.pop()

    texts = [b"one"]

    async def ask() -> list[list[bytes]]:
        with Siblings(tmp_path, 1, 2).answering(tell):
            asker = Siblings(tmp_path, 0, 2)
            first = await hear(asker)
            failed = await hear(asker)
            texts.append(b"another")
            return [first, failed, await hear(asker)]

    assert asyncio.run(ask()) == [[b"one"], [], [b"another"]]
    assert "could not tell" in caplog.text
