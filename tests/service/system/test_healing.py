"""Workers of the real service that are lost, blocked or cannot start are replaced."""

import contextlib
import http.client
import os
import re
import signal
import time
from pathlib import Path

import pytest

from mirage.bundle.store.release import release
from tests.bundles import make_bundle
from tests.service.helpers.server_process import answer
from tests.service.helpers.workers import wait_for, workers_of, working
from tests.service.system.test_stopping import BODY, HANGING, JSON, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


def test_a_worker_that_does_not_respond_is_replaced(models_root: Path) -> None:
    with working(models_root, "--heartbeat-s", "2") as process:
        blocked, other = workers_of(process)
        os.kill(blocked, signal.SIGSTOP)
        wait_for(lambda: blocked not in workers_of(process))
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        wait_for(lambda: len(workers_of(process)) == 2)
        assert other in workers_of(process)
        until(process, lambda text: b"mirage_workers_ready 2.0" in text)
        assert b"mirage_workers_lost_total 1.0" in process.get("/metrics")[1]
        process.stop()
        assert b"worker does not respond number=" in process.log


def test_nobody_is_replaced_after_all_processes_stood_still(models_root: Path) -> None:
    """As when a container is paused, or a machine sleeps."""
    with working(models_root, "--heartbeat-s", "1") as process:
        workers = workers_of(process)
        everyone = [process.popen.pid, *workers]
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        paused = time.monotonic()
        while time.monotonic() < paused + 3:
            assert workers_of(process) == workers
        for pid in reversed(everyone):
            os.kill(pid, signal.SIGCONT)
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        process.stop()
        assert b"does not respond" not in process.log


def test_a_start_that_fails_is_tried_again_later_and_later(tmp_path: Path) -> None:
    version = make_bundle(tmp_path, "toy")
    release(tmp_path, "toy", 1)
    graph = (version / "model.onnx").read_bytes()
    with working(tmp_path) as process:
        (version / "model.onnx").write_bytes(b"broken")
        lost, other = workers_of(process)
        os.kill(lost, signal.SIGKILL)
        until(process, lambda text: b"mirage_worker_failed_starts_total 2.0" in text)
        assert b"mirage_workers_ready 1.0" in process.get("/metrics")[1]
        (version / "model.onnx").write_bytes(graph)
        until(process, lambda text: b"mirage_workers_ready 2.0" in text)
        assert other in workers_of(process)
        process.stop()
    waits = [float(wait) for wait in re.findall(rb"again_in_s=(\S+)", process.log)]
    assert waits[:3] == [0.5, 1, 2]
    assert process.log.count(b"worker cannot start number=") >= 2


def test_processes_that_the_system_refuses_are_tried_again(models_root: Path) -> None:
    with working(models_root, program="tests.service.helpers.unforkable_service") as process:
        lost, other = workers_of(process)
        os.kill(lost, signal.SIGKILL)
        until(process, lambda text: b"mirage_worker_failed_starts_total 2.0" in text)
        until(process, lambda text: b"mirage_workers_ready 2.0" in text)
        assert other in workers_of(process)
        process.stop()
        assert process.log.count(b"worker cannot be started number=") == 2


def test_a_lost_worker_is_replaced_and_the_other_serves_meanwhile(models_root: Path) -> None:
    with working(models_root) as process:
        first, second = workers_of(process)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: first not in workers_of(process))
        for _ in range(4):
            assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        wait_for(lambda: len(workers_of(process)) == 2)
        assert second in workers_of(process)
        assert process.stop() == 0
        assert b"worker lost number=" in process.log


def test_a_worker_whose_engine_hangs_is_replaced(models_root: Path) -> None:
    flags = ("--stuck-s", "0.5", "--grace-s", "0.2")
    with working(models_root, *flags, program="tests.service.helpers.hanging_service") as process:
        workers = workers_of(process)
        with contextlib.closing(process.connect()) as stuck:
            stuck.request("POST", "/generate", HANGING, JSON)
            with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
                stuck.getresponse()
        wait_for(lambda: len(set(workers_of(process)) - set(workers)) == 1)
        until(process, lambda text: b"mirage_batch_running_seconds" in text)
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        process.stop()
        assert b"worker ends: a run of the engine takes" in process.log
