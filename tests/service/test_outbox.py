"""Answers of one turn of the event loop are sent together, in order."""

import asyncio

import pytest

from mirage.service.outbox import Outbox


def test_what_is_added_in_a_turn_is_sent_at_its_end_in_order() -> None:
    sent: list[int] = []

    async def run() -> None:
        outbox = Outbox()
        for number in range(3):
            outbox.add(lambda number=number: sent.append(number))  # type: ignore[misc]
        assert sent == []
        await asyncio.sleep(0)
        assert sent == [0, 1, 2]
        outbox.add(lambda: sent.append(3))
        await asyncio.sleep(0)

    asyncio.run(run())
    assert sent == [0, 1, 2, 3]


def test_what_is_flushed_is_not_sent_again() -> None:
    sent: list[int] = []

    async def run() -> None:
        outbox = Outbox()
        outbox.add(lambda: sent.append(1))
        outbox.flush()
        assert sent == [1]
        await asyncio.sleep(0)

    asyncio.run(run())
    assert sent == [1]


@pytest.mark.parametrize(("held_s", "sent_by_then"), [(1e6, []), (-1, [0, 1, 2])])
def test_what_has_been_held_for_too_long_is_sent_while_more_comes(
    monkeypatch: pytest.MonkeyPatch, held_s: float, sent_by_then: list[int]
) -> None:
    monkeypatch.setattr("mirage.service.outbox.HELD_S", held_s)
    sent: list[int] = []

    async def run() -> None:
        outbox = Outbox()
        for number in range(3):
            outbox.add(lambda number=number: sent.append(number))  # type: ignore[misc]
        assert sent == sent_by_then
        await asyncio.sleep(0)

    asyncio.run(run())
    assert sent == [0, 1, 2]


def test_what_a_send_leads_to_is_sent_too() -> None:
    sent: list[str] = []

    async def run() -> None:
        outbox = Outbox()

        def first() -> None:
            sent.append("first")
            outbox.add(lambda: sent.append("second"))

        outbox.add(first)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(run())
    assert sent == ["first", "second"]
