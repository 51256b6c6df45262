"""The real service as several processes: whatever one of them meets, one version answers."""

import contextlib
import os
from pathlib import Path

import pytest

from mirage.bundle.store.release import release
from tests.bundles import make_bundle
from tests.service.helpers.server_process import Process, serving
from tests.service.helpers.workers import wait_for
from tests.service.system.test_stopping import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


def model_of_an_answer(process: Process) -> str | None:
    """Which version answers; None when the connection is that of a worker that ends just now."""
    headers = {"content-type": "application/json"}
    with contextlib.suppress(OSError), contextlib.closing(process.connect()) as connection:
        connection.request("POST", "/generate", b'{"seed": 7}', headers)
        response = connection.getresponse()
        response.read()
        assert response.status in (200, 503)
        return response.getheader("x-model")
    return None


@pytest.mark.parametrize(("fault", "is_replaced"), [("passing", False), ("lasting", True)])
def test_a_fault_of_one_worker_leaves_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, is_replaced: bool
) -> None:
    for seed in range(2):
        make_bundle(tmp_path, seed=seed)
    release(tmp_path, "toy", 1)
    monkeypatch.setenv("FAULT", fault)
    flags = ("--workers", "2", "--drain-delay-s", "0", "--release-poll-s", "0.05")
    with serving(tmp_path, *flags, program="tests.service.helpers.faulty_service") as process:
        release(tmp_path, "toy", 2)
        wait_for(lambda: (tmp_path / "toy/.failed").exists())
        wait_for(lambda: {model_of_an_answer(process) for _ in range(20)} == {"toy@2"})
        if is_replaced:
            until(process, lambda text: b"mirage_workers_lost_total 1.0" in text)
        assert process.stop() == 0
    assert b"model refused name=toy version=2" in process.log
    assert (b"worker is behind name=toy version=2" in process.log) is is_replaced
    assert (b"worker lost number=1 code=7" in process.log) is is_replaced
