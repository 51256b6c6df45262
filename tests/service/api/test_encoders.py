"""Encoding threads: they hang if all are busy and none finishes."""

import threading
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from mirage.service.api.encoders import Encoders
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import post, problem


@pytest.fixture
def done() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_threads_hang_when_all_of_them_do(done: threading.Event) -> None:
    encoders = Encoders(2)
    assert encoders.hanging_s() == 0
    first = encoders.submit(done.wait)
    assert encoders.hanging_s() == 0
    second = encoders.submit(done.wait)
    queued = encoders.submit(done.wait)
    before_s = encoders.hanging_s()
    queued.cancel()
    assert 0 < before_s < encoders.hanging_s()
    done.set()
    for future in (first, second):
        future.result()
    encoders.shutdown()
    assert encoders.hanging_s() == 0


def test_a_service_whose_threads_hang_is_not_alive(
    client_of: ClientOf, done: threading.Event
) -> None:
    client = client_of(stuck_s=1e-9)
    assert client.get("/healthz").status_code == 200
    assert isinstance(client.app, FastAPI)
    client.app.state.service.encoders.submit(done.wait)
    detail = problem(client.get("/healthz"), 503, "engine-stuck")["detail"]
    assert "no encoding thread has finished anything" in detail
    done.set()
    assert post(client).status_code == 200
