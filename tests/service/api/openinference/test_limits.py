"""Limits, deadlines and faults of the protocol's requests."""

import asyncio
import gzip
import json
import threading
import zlib
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from mirage.service.app import create_app
from mirage.service.batching.queue import Array, Arrays
from mirage.service.settings import Settings
from mirage.service.versions.version import EngineRun
from tests.bundles import Toy
from tests.service.api.openinference.requests import (
    LABELS,
    LATENTS,
    error,
    labels,
    latents,
    post,
    wanted,
)
from tests.service.conftest import ClientOf

PATIENCE_S = 20
EXPECTED = Toy().images(LATENTS, LABELS)
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v2/models/toy/infer",
    "query_string": b"",
    "client": ("127.0.0.1", 1),
}


def test_answers_are_counted(client_of: ClientOf) -> None:
    client = client_of()
    post(client, wanted())
    post(client, wanted(inputs=[latents()]))
    text = client.get("/metrics").text
    assert 'mirage_requests_total{code="200"} 1.0' in text
    assert 'mirage_requests_total{code="400"} 1.0' in text
    assert 'mirage_images_total{model="toy",version="1"} 2.0' in text
    assert 'mirage_rejected_total{reason="invalid-value"} 1.0' in text


def test_limits_are_those_of_the_service(client_of: ClientOf) -> None:
    client = client_of(images_per_request=1, body_bytes=1024)
    assert "at most 1 images per request" in error(post(client, wanted()), 400)
    error(post(client, b" " * 1025), 413)
    bomb = gzip.compress(b" " * 10_000_000)[:1024]
    error(post(client, bomb, {"content-encoding": "gzip"}), 413)


def test_more_than_the_queue_holds_is_refused_with_retry_after(client_of: ClientOf) -> None:
    response = post(client_of(queue_images=1), wanted())
    error(response, 429)
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("by_header", [False, True])
def test_a_deadline_that_cannot_be_met_is_refused(client_of: ClientOf, by_header: bool) -> None:
    """256 batches of one image take longer than a millisecond, as warming up has shown."""
    many = np.zeros((256, 5), np.float32)
    fields = {"inputs": [latents(many), labels(np.zeros(256, np.int64))]}
    headers = {"x-deadline-ms": "1"} if by_header else {}
    if not by_header:
        fields["parameters"] = {"timeout": 1000}
    response = post(client_of(max_batch_size=1), fields, headers)
    assert response.status_code in (429, 504)  # at admission, or while the body was read
    error(response, response.status_code)


def test_a_timeout_of_zero_is_the_service_s_own(client: TestClient) -> None:
    assert post(client, wanted(parameters={"timeout": 0})).status_code == 200


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_json_is_bounded_like_any_other(
    client_of: ClientOf, name: str, pack: Any
) -> None:
    client = client_of(json_bytes=100_000, json_items=1000)
    encoding = {"content-encoding": name}
    values = post(client, pack(b"[" * 50_000), encoding)
    assert "at most 1000 are allowed" in error(values, 400)
    long = post(client, pack(json.dumps(wanted(id="x" * 100_000)).encode()), encoding)
    assert "at most 100000 are allowed" in error(long, 413)


def test_an_unknown_fault_is_a_fixed_text(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret in /tmp")

    monkeypatch.setattr("mirage.service.api.openinference.routes.build_job", fail)
    assert "secret" not in error(post(client_of(), wanted()), 500)


def test_a_client_that_leaves_is_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings)
    body = json.dumps(wanted()).encode()
    arriving = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]
    sent: list[Any] = []
    answered = threading.Event()
    run = EngineRun.__call__

    def run_after_the_answer(runner: EngineRun, arrays: Arrays) -> Array:
        assert answered.wait(60)
        return run(runner, arrays)

    async def receive() -> Any:
        return arriving.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)
        answered.set()

    async def ask() -> None:
        async with app.router.lifespan_context(app):
            try:
                await app({**SCOPE, "headers": []}, receive, send)
            finally:
                answered.set()

    monkeypatch.setattr(EngineRun, "__call__", run_after_the_answer)
    asyncio.run(ask())
    assert sent[0]["status"] == 499
    assert app.state.service.metrics.registry.get_sample_value("mirage_abandoned_total") == 1


def test_the_limit_is_told_before_other_shapes_are_compared(client: TestClient) -> None:
    given = wanted(inputs=[latents(shape=[2**63 - 1, 5]), labels()])
    detail = error(post(client, given), 400)
    assert detail == f"count is {2**63 - 1}; at most 256 images per request are allowed"
