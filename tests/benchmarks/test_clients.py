"""The clients of the soak, each once, against the real service."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from benchmarks.serving.clients import (
    CLIENTS,
    UNANSWERED,
    Manner,
    Report,
    flood,
    kept_connection,
    leaver,
    malformed,
    one_request,
    silent,
    slow_sender,
)
from mirage.bundle.store.release import release
from tests.bundles import make_bundle
from tests.service.helpers.server_process import Process, serving


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    root = tmp_path_factory.mktemp("models")
    make_bundle(root, "toy")
    release(root, "toy", 1)
    with serving(root, "--head-timeout-s", "0.5") as process:
        yield process


@pytest.mark.parametrize(
    "manner", [one_request, kept_connection, leaver, silent, slow_sender, malformed, flood]
)
def test_none_is_left_unanswered(process: Process, manner: Manner) -> None:
    report = Report()

    async def run() -> None:
        for number in range(5):
            await manner(process.port, random.Random(number), report)

    asyncio.run(run())
    found = report.summary()
    assert (found["answers_500"], found["unanswered"]) == (0, 0), found
    assert report.statuses
    assert manner in CLIENTS


def test_faults_are_summed_up() -> None:
    report = Report()
    report.statuses.update({"200": 5, "500": 2, "malformed: 400": 1, f"{UNANSWERED}: single": 3})
    report.waits_s = [0.001] * 99 + [1.0]
    found = report.summary()
    assert (found["answers_500"], found["unanswered"]) == (2, 3)
    assert (found["p50_ms"], found["p100_ms"]) == (1.0, 1000.0)
    assert Report().summary()["p100_ms"] is None
