"""The real service as several processes: it shares, drains and stops as one."""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.helpers.server_process import accepts, answer, serving
from tests.service.helpers.workers import wait_for, workers_of, working
from tests.service.system.test_start import assert_one_line, run
from tests.service.system.test_stopping import BODY, HANGING, JSON, begin, finish

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


def test_stopping_reaches_workers_that_do_not_respond_too(models_root: Path) -> None:
    flags = ("--grace-s", "1", "--heartbeat-s", "600")
    with working(models_root, *flags) as process:
        blocked, _ = workers_of(process)
        os.kill(blocked, signal.SIGSTOP)
        process.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: not accepts(process.port))  # at once, also of the one that is blocked
        assert process.wait() == 1


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_signals_that_mean_nothing_here_end_nothing(models_root: Path, number: int) -> None:
    with working(models_root) as process:
        for pid in [process.popen.pid, *workers_of(process)]:
            os.kill(pid, number)
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert process.stop() == 0
        assert b"worker lost" not in process.log


def test_a_terminal_that_is_closed_lets_it_drain(models_root: Path) -> None:
    """All its processes are told."""
    with working(models_root, "--drain-delay-s", "600") as process:
        for pid in [process.popen.pid, *workers_of(process)]:
            os.kill(pid, signal.SIGHUP)
        for _ in range(2):
            wait_for(lambda: process.get("/readyz")[0] == 503)
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert process.stop() == 0


def test_all_workers_choose_the_same_largest_batch(models_root: Path) -> None:
    with serving(models_root, "--workers", "4", "--drain-delay-s", "0") as process:
        process.stop()
        sizes = re.findall(rb"toy@1 runs in batches of up to (\d+)", process.log)
        assert len(sizes) == 4
        assert len(set(sizes)) == 1


def test_metrics_are_those_of_all_workers(models_root: Path) -> None:
    with working(models_root) as process:
        for _ in range(6):
            assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        for _ in range(2):  # whichever is asked
            text = process.get("/metrics")[1]
            assert b'mirage_images_total{model="toy",version="1"} 6.0' in text
            assert b'mirage_requests_total{code="200"} 6.0' in text
            assert b"mirage_ready 1.0" in text


def test_what_is_in_flight_is_finished(models_root: Path) -> None:
    with working(models_root) as process, contextlib.closing(begin(process)) as slow:
        process.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: not accepts(process.port))
        response = finish(slow)
        assert (response.status, response.read()[:4]) == (200, b"\x89PNG")
        assert process.wait() == 0
        assert b"Traceback" not in process.log


def test_after_sigterm_all_are_not_ready_but_serve(models_root: Path) -> None:
    with working(models_root, "--drain-delay-s", "600") as process:
        process.popen.send_signal(signal.SIGTERM)
        for _ in range(2):
            wait_for(lambda: process.get("/readyz")[0] == 503)
        assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        assert process.stop() == 0, "a second signal ends the delay, and nothing was in flight"


def test_a_second_signal_does_not_wait_for_anybody(models_root: Path) -> None:
    with (
        working(models_root, "--drain-delay-s", "600") as process,
        contextlib.closing(begin(process)),
    ):
        process.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: process.get("/readyz")[0] == 503)
        assert process.stop() == 1
        assert b"stopped at once requests=1" in process.log


def test_an_interrupt_of_all_processes_at_once_stops_without_delay(models_root: Path) -> None:
    """As a terminal sends it."""
    with working(models_root, "--drain-delay-s", "600") as process:
        for pid in [*workers_of(process), process.popen.pid]:
            os.kill(pid, signal.SIGINT)
        assert process.wait() == 0


@pytest.fixture
def interrupts_ignored() -> Iterator[None]:
    """As a shell without job control starts a command with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts_ignored")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupt_also_stops_a_service_started_in_the_background(
    models_root: Path, workers: str
) -> None:
    with serving(models_root, "--workers", workers, "--drain-delay-s", "600") as process:
        assert process.stop(signal.SIGINT) == 0


def test_workers_do_not_outlive_their_supervisor(models_root: Path) -> None:
    with working(models_root) as process:
        process.popen.kill()
        process.wait()  # until nobody holds its standard error any more
        assert process.log.count(b"mirage.service.processes.server: stopped") == 2


def test_nor_does_one_whose_engine_blocks_its_event_loop(models_root: Path) -> None:
    flags = ("--stuck-s", "600", "--grace-s", "0.2")
    with (
        working(models_root, *flags, program="tests.service.helpers.hanging_service") as process,
        contextlib.closing(process.connect()) as stuck,
    ):
        stuck.request("POST", "/generate", HANGING, JSON)
        process.popen.kill()
        process.wait()  # until nobody holds its standard error any more


def test_what_hinders_all_workers_is_told_in_one_line(tmp_path: Path) -> None:
    result = run("--models", str(tmp_path / "absent"), "--port", "0", "--workers", "2")
    assert_one_line(result, 3, "absent")


def test_images_per_minute_are_counted_by_all_together(models_root: Path) -> None:
    with working(models_root, "--images-per-minute", "5") as process:
        codes = [answer(process.connect(), "POST", "/generate", BODY)[0] for _ in range(8)]
        assert codes == [200] * 5 + [429] * 3
