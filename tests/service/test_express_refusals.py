"""What comes while too many requests wait already, on the short way and on the other."""

import asyncio
import logging
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from mirage.service.express import Express
from mirage.service.heads import Head
from mirage.service.intake import Intake

from mirage.service.errors import DeadlineUnreachable
from mirage.service.settings import Settings
from mirage.service.state import Service
from tests.service.test_express import whole


def test_a_known_head_is_refused_at_once_while_too_many_wait(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """As the parser's way would refuse it, counted and logged alike."""
    scope = {"path": "/generate", "method": "POST", "headers": [], "query_string": b""}
    sent: list[bytes] = []

    async def run() -> tuple[bytes, bytes]:
        service = Service(settings)
        service.intake = Intake(0)
        express = Express(service)
        head = Head.of(scope)
        quick = express.refusal(head, ("192.0.2.1", 1), [])
        started: list[Coroutine[Any, Any, None]] = []
        express.enter_if_room(whole(scope, sent), head, started.append)
        await started[0]
        await asyncio.sleep(0)
        counted = service.metrics.exposition()
        assert quick is not None
        assert b'mirage_requests_total{code="429"} 2.0' in counted
        assert b'mirage_rejected_total{reason="queue-full"} 2.0' in counted
        assert not service.unanswered
        return b"".join(quick), b"".join(sent)

    with caplog.at_level(logging.INFO):
        quick, slow = asyncio.run(run())
    without_id = re.compile(rb"x-request-id: \w+")
    assert without_id.sub(b"", quick) == without_id.sub(b"", slow)
    assert quick.startswith(b"HTTP/1.1 429 ")
    lines = [record for record in caplog.records if record.message == "request"]
    assert [line.status for line in lines] == [429, 429]


def test_nothing_is_refused_while_none_waits(settings: Settings) -> None:
    head = Head.of({"path": "/generate", "method": "POST", "headers": [], "query_string": b""})
    assert Express(Service(settings)).refusal(head, None, []) is None


def test_the_like_of_what_was_refused_is_refused_until_the_loop_goes_on(settings: Settings) -> None:
    scope = {"path": "/generate", "method": "POST", "headers": [], "query_string": b""}
    head, other = Head.of(scope), Head.of({**scope, "headers": [(b"accept", b"image/png")]})

    async def run() -> None:
        service = Service(settings)
        full, roomy = Intake(0), Intake(1)
        service.intake, express = full, Express(service)
        answers = [express.refusal(head, None, []) for _ in range(3)]
        service.intake = roomy
        answers.append(express.refusal(head, None, []))
        assert len({b"".join(answer or ()) for answer in answers}) == 4  # each has an id of its own
        assert express.refusal(other, None, []) is None
        assert express.refusal(head, None, []) is None
        service.intake = full
        assert express.refusal(head, None, []) is not None
        await asyncio.sleep(0)
        service.intake = roomy
        assert express.refusal(head, None, []) is None
        counted = service.metrics.exposition()
        assert b'mirage_requests_total{code="429"} 5.0' in counted
        assert b"mirage_request_duration_seconds_count 5.0" in counted

    asyncio.run(run())


def test_a_deadline_that_is_none_is_said_in_its_turn(settings: Settings) -> None:
    headers = [(b"x-deadline-ms", b"soon")]
    scope = {"path": "/generate", "method": "POST", "headers": headers, "query_string": b""}
    service = Service(settings)
    service.intake = Intake(0)
    assert Express(service).refusal(Head.of(scope), None, []) is None


def test_whose_client_leaves_while_it_waits_is_not_made(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    scope = {"path": "/generate", "method": "POST", "headers": [], "query_string": b""}
    sent: list[bytes] = []

    async def run() -> None:
        service = Service(settings)
        started: list[Coroutine[Any, Any, None]] = []
        cycle = whole(scope, sent)
        Express(service).enter(cycle, Head.of(scope), started.append)
        assert (service.metrics.in_flight, len(service.unanswered)) == (1, 1)
        cycle.disconnected = True
        await started[0]
        assert (service.metrics.in_flight, len(service.unanswered)) == (0, 0)
        assert b"mirage_abandoned_total 1.0" in service.metrics.exposition()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert sent == []
    (line,) = [record for record in caplog.records if record.message == "request"]
    assert (line.status, line.client_gone) == (499, True)


def test_what_no_model_could_make_in_time_is_refused_before_it_is_read(
    models_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Head.of({"path": "/generate", "method": "POST", "headers": [], "query_string": b""})

    def refuse(_allowed_s: float) -> None:
        raise DeadlineUnreachable("late", retry_after_s=2.5)

    async def run() -> None:
        service = Service(Settings(models=models_root, default_model="toy", threads=1))
        await service.models.open()
        express = Express(service)
        try:
            assert express.refusal(head, None, []) is None
            full, *others = service.models._memory.everything()
            monkeypatch.setattr(full, "check_room", refuse)
            assert express.refusal(head, None, []) is None  # another may be meant
            for other in others:
                monkeypatch.setattr(other, "check_room", refuse)
            refusal = express.refusal(head, None, [])
            assert refusal is not None
            assert b"retry-after: 3\r\n" in b"".join(refusal)
        finally:
            await service.close()

    asyncio.run(run())


def test_a_refusal_carries_the_lines_of_its_moment(settings: Settings) -> None:
    """What is the same of all is made once."""
    head = Head.of({"path": "/generate", "method": "POST", "headers": [], "query_string": b""})

    async def run() -> None:
        service = Service(settings)
        service.intake = Intake(0)
        express = Express(service)
        for date in (b"Mon", b"Tue", b"Mon"):
            await asyncio.sleep(0)
            refusal = express.refusal(head, None, [(b"date", date)])
            assert refusal is not None
            assert b"date: %s\r\n" % date in b"".join(refusal)

    asyncio.run(run())
