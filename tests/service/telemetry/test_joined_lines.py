"""When the lines of the log are written, and what of them at once."""

import asyncio
import io
import logging
import threading

import pytest

from mirage.service.telemetry.joined_lines import MAX_LINES, JoinedLines


class Writes(io.StringIO):
    """A stream that keeps what it was given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


@pytest.fixture
def writes() -> Writes:
    return Writes()


@pytest.fixture
def log(writes: Writes) -> logging.Logger:
    log = logging.Logger("test")
    log.addHandler(JoinedLines(writes))
    return log


def test_the_lines_of_one_iteration_are_one_write_in_the_next(
    writes: Writes, log: logging.Logger
) -> None:
    async def run() -> None:
        for _ in range(2):
            log.info("one")
            log.info("two")
            before = len(writes.pieces)
            await asyncio.sleep(0)
            assert len(writes.pieces) == before + 1

    asyncio.run(run())
    assert writes.pieces == ["one\ntwo\n"] * 2


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_a_warning_is_written_at_once_behind_what_is_kept(
    level: int, writes: Writes, log: logging.Logger
) -> None:
    async def run() -> None:
        log.info("before")
        log.log(level, "now")
        assert writes.pieces == ["before\nnow\n"]

    asyncio.run(run())
    assert writes.pieces == ["before\nnow\n"]


def test_no_more_than_a_few_lines_are_kept(writes: Writes, log: logging.Logger) -> None:
    async def run() -> None:
        for _ in range(2 * MAX_LINES + 1):
            log.info("x")

    asyncio.run(run())
    assert writes.pieces == ["x\n" * MAX_LINES, "x\n" * MAX_LINES, "x\n"]


def test_without_an_event_loop_each_line_is_written_at_once(
    writes: Writes, log: logging.Logger
) -> None:
    log.info("one")
    log.info("two")
    assert writes.pieces == ["one\n", "two\n"]


def test_a_line_of_another_thread_takes_those_before_it_along(
    writes: Writes, log: logging.Logger
) -> None:
    async def run() -> None:
        log.info("of the loop")
        thread = threading.Thread(target=log.info, args=("of a thread",))
        thread.start()
        thread.join()
        assert writes.pieces == ["of the loop\nof a thread\n"]

    asyncio.run(run())


def test_the_last_lines_of_an_event_loop_are_written(writes: Writes, log: logging.Logger) -> None:
    async def run() -> None:
        log.info("last")

    asyncio.run(run())
    assert writes.pieces == ["last\n"]


def test_the_end_of_the_program_writes_what_is_kept(writes: Writes, log: logging.Logger) -> None:
    async def run() -> None:
        log.info("last")
        log.handlers[0].close()
        log.handlers[0].flush()
        assert writes.pieces == ["last\n"]

    asyncio.run(run())


def test_a_line_that_cannot_be_made_costs_no_other(
    writes: Writes, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # else it is printed

    async def run() -> None:
        log.info("one")
        log.info("%d", "no number")
        log.info("two")

    asyncio.run(run())
    assert writes.pieces == ["one\ntwo\n"]
