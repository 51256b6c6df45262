"""Workers that ask each other, here in one process."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from service.siblings import Siblings


async def ask_first(folder: Path, answers: list[bytes], count: int) -> list[bytes]:
    """What worker 0 of `count` hears, when so many answer."""
    workers = [Siblings(folder, number, count) for number in range(count)]
    async with AsyncExitStack() as stack:
        for worker, text in zip(workers, answers, strict=False):
            await stack.enter_async_context(worker.answering(lambda text=text: text))
        return await workers[0].ask()


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
    monkeypatch.setattr("service.siblings.PATIENCE_S", 0.05)

    async def ask() -> list[bytes]:
        async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked.wait()
            writer.close()

        asked = asyncio.Event()
        async with await asyncio.start_unix_server(hang, tmp_path / "1.socket"):
            heard = await Siblings(tmp_path, 0, 2).ask()
            asked.set()
        return heard

    assert asyncio.run(ask()) == []


def test_one_that_starts_again_takes_its_place(tmp_path: Path) -> None:
    """Although what it was killed at is still there."""
    for text in (b"before", b"after"):
        assert asyncio.run(ask_first(tmp_path, [b"", text], 2)) == [text]
