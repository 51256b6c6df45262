"""What comes while the event loop is behind, on the short way."""

import asyncio
import logging
import re

import pytest

from service.express import Express
from service.heads import Head
from service.pulse import Pulse
from service.settings import Settings
from service.state import Service
from tests.service.test_express import whole


def test_a_known_head_is_refused_at_once_while_the_event_loop_is_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As the parser's way would refuse it, counted and logged alike."""
    monkeypatch.setattr(Pulse, "is_behind", lambda _: True)
    scope = {"path": "/generate", "method": "POST", "headers": [], "query_string": b""}
    sent: list[bytes] = []

    async def run() -> tuple[bytes, bytes]:
        service = Service(settings)
        await service.open()
        express = Express(service)
        head = Head.of(scope)
        quick = express.refusal(head, ("192.0.2.1", 1), [])
        await express.answer(whole(scope, sent), head)
        counted = service.metrics.exposition()
        await service.close()
        assert quick is not None
        assert b'mirage_requests_total{code="429"} 2.0' in counted
        assert b'mirage_rejected_total{reason="queue-full"} 2.0' in counted
        return b"".join(quick), b"".join(sent)

    with caplog.at_level(logging.INFO):
        quick, slow = asyncio.run(run())
    without_id = re.compile(rb"x-request-id: \w+")
    assert without_id.sub(b"", quick) == without_id.sub(b"", slow)
    assert quick.startswith(b"HTTP/1.1 429 ")
    lines = [record.fields for record in caplog.records if record.message == "request"]
    assert [line["status"] for line in lines] == [429, 429]


def test_nothing_is_refused_while_the_event_loop_keeps_up(settings: Settings) -> None:
    head = Head.of({"path": "/generate", "method": "POST", "headers": [], "query_string": b""})
    assert Express(Service(settings)).refusal(head, None, []) is None
