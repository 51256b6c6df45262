"""The real service as several processes: it shares, heals, drains and stops as one."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirage.bundle.store import release
from mirage.service.acceptor import RESERVED_FILES
from tests.bundles import make_bundle
from tests.service.process import Process, accepts, answer, serving
from tests.service.test_server import assert_one_line, run
from tests.service.test_stopping import BODY, HANGING, JSON, begin, finish, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")

WORKERS = ("--workers", "2")
FEW = 4  # connections that one worker may have more than another


@contextlib.contextmanager
def working(root: Path, *flags: str, program: str = "service") -> Iterator[Process]:
    with serving(root, *WORKERS, "--drain-delay-s", "0", *flags, program=program) as process:
        yield process


def workers_of(process: Process) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.popen.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid) for pid in listed.stdout.split()]


def wait_for(is_so: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() < begun + 60


def ask(connection: http.client.HTTPConnection) -> bytes:
    connection.request("POST", "/generate", BODY, JSON)
    response = connection.getresponse()
    assert response.status == 200
    return response.read()


def test_connections_are_shared_and_the_same_seed_is_the_same_bytes(models_root: Path) -> None:
    with working(models_root) as process, contextlib.ExitStack() as stack:
        workers = workers_of(process)
        assert len(workers) == 2
        connections = [stack.enter_context(contextlib.closing(process.connect())) for _ in range(6)]
        assert len({ask(connection) for connection in connections}) == 1
        held = [connections_of(pid) for pid in workers]
        assert held == [3, 3]


def test_a_new_connection_goes_to_the_worker_with_the_fewest(models_root: Path) -> None:
    with working(models_root) as process, contextlib.ExitStack() as stack:
        workers = workers_of(process)
        connections = [stack.enter_context(contextlib.closing(process.connect())) for _ in range(4)]
        for connection in connections:
            ask(connection)
        ports = ports_of(workers[0])
        for connection in connections:
            if connection.sock.getsockname()[1] in ports:
                connection.close()
        wait_for(lambda: sorted(map(connections_of, workers)) == [0, 2])
        for _ in range(2):
            ask(stack.enter_context(contextlib.closing(process.connect())))
        assert [connections_of(pid) for pid in workers] == [2, 2]


def test_a_new_worker_is_given_connections_until_it_has_as_many(models_root: Path) -> None:
    with working(models_root) as process, contextlib.ExitStack() as stack:
        for _ in range(6):
            ask(stack.enter_context(contextlib.closing(process.connect())))
        lost, other = workers_of(process)
        os.kill(lost, signal.SIGKILL)
        wait_for(lambda: len(set(workers_of(process)) - {lost}) == 2)
        new = next(pid for pid in workers_of(process) if pid != other)

        def ask_once_more() -> bool:
            ask(stack.enter_context(contextlib.closing(process.connect())))
            return connections_of(new) > 0

        wait_for(ask_once_more)  # until it is ready they are the other's
        for _ in range(connections_of(other) - 1):
            ask_once_more()
        assert connections_of(new) == connections_of(other)


def test_a_worker_that_takes_no_connections_does_not_hold_up_the_others(models_root: Path) -> None:
    more_than_a_channel_holds = 600
    with working(models_root) as process, contextlib.ExitStack() as stack:
        stopped, other = workers_of(process)
        os.kill(stopped, signal.SIGSTOP)
        stack.callback(os.kill, stopped, signal.SIGCONT)
        for _ in range(more_than_a_channel_holds):
            stack.enter_context(contextlib.closing(process.connect())).connect()
        wait_for(lambda: connections_of(other) > more_than_a_channel_holds / 2)


@pytest.mark.parametrize("clients", [64, 100])
def test_many_clients_that_come_at_once_are_spread_evenly(models_root: Path, clients: int) -> None:
    flags = ("--workers", "4", "--drain-delay-s", "0")
    with serving(models_root, *flags) as process, contextlib.ExitStack() as stack:
        workers = workers_of(process)
        for _ in range(clients):
            stack.enter_context(contextlib.closing(process.connect())).connect()
        wait_for(lambda: sum(map(connections_of, workers)) == clients)
        held = [connections_of(pid) for pid in workers]
        assert max(held) - min(held) <= FEW


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
    with working(models_root, program="tests.service.unforkable") as process:
        lost, other = workers_of(process)
        os.kill(lost, signal.SIGKILL)
        until(process, lambda text: b"mirage_worker_failed_starts_total 2.0" in text)
        until(process, lambda text: b"mirage_workers_ready 2.0" in text)
        assert other in workers_of(process)
        process.stop()
        assert process.log.count(b"worker cannot be started number=") == 2


def test_stopping_reaches_workers_that_do_not_respond_too(models_root: Path) -> None:
    flags = ("--grace-s", "1", "--heartbeat-s", "600")
    with working(models_root, *flags) as process:
        blocked, _ = workers_of(process)
        os.kill(blocked, signal.SIGSTOP)
        process.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: not accepts(process.port))  # at once, also of the one that is blocked
        assert process.wait() == 1


def test_few_descriptors_let_connections_wait_and_harm_nobody(models_root: Path) -> None:
    limit, clients = 96, 212
    flags = ("--workers", "2", "--drain-delay-s", "0")
    program = "tests.service.limited"
    with (
        serving(models_root, *flags, program=program) as process,
        contextlib.ExitStack() as stack,
    ):
        workers = workers_of(process)
        first = stack.enter_context(contextlib.closing(process.connect()))
        image = ask(first)
        idle = [stack.enter_context(contextlib.closing(process.connect())) for _ in range(clients)]
        for connection in idle:
            connection.connect()
        room = 2 * (limit - RESERVED_FILES)
        wait_for(lambda: sum(map(connections_of, workers)) == room)
        assert ask(first) == image
        for connection in idle[: clients - room // 2]:
            connection.close()
        assert ask(process.connect()) == image
        assert workers_of(process) == workers
        process.stop()
        assert b"new connections wait: 32 are open, the most allowed" in process.log


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
        sizes = re.findall(rb"toy@1 runs in batches of (\d+) at most", process.log)
        assert len(sizes) == 4
        assert len(set(sizes)) == 1


def connections_of(pid: int) -> int:
    """How many connections of clients a process has open."""
    return len(ports_of(pid))


def ports_of(pid: int) -> list[int]:
    """The clients' ports of the connections that a process has open."""
    sockets = map(target_of, Path(f"/proc/{pid}/fd").iterdir())
    inodes = {found[1] for name in sockets if (found := re.match(r"socket:\[(\d+)\]", name))}
    established = "01"
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    own = [row for row in rows if row[3] == established and row[9] in inodes]
    return [int(row[2].partition(":")[2], 16) for row in own]


def target_of(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed just now
        return ""


def test_metrics_are_those_of_all_workers(models_root: Path) -> None:
    with working(models_root) as process:
        for _ in range(6):
            assert answer(process.connect(), "POST", "/generate", BODY)[0] == 200
        for _ in range(2):  # whichever is asked
            text = process.get("/metrics")[1]
            assert b'mirage_images_total{model="toy",version="1"} 6.0' in text
            assert b'mirage_requests_total{code="200"} 6.0' in text
            assert b"mirage_ready 1.0" in text


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


def test_workers_do_not_outlive_their_supervisor(models_root: Path) -> None:
    with working(models_root) as process:
        process.popen.kill()
        process.wait()  # until nobody holds its standard error any more
        assert process.log.count(b"mirage.service.draining: stopped") == 2


def test_a_worker_whose_engine_hangs_is_replaced(models_root: Path) -> None:
    flags = ("--stuck-s", "0.5", "--grace-s", "0.2")
    with working(models_root, *flags, program="tests.service.hanging") as process:
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


def test_what_hinders_all_workers_is_told_in_one_line(tmp_path: Path) -> None:
    result = run("--models", str(tmp_path / "absent"), "--port", "0", *WORKERS)
    assert_one_line(result, 3, "absent")


def test_images_per_minute_are_counted_by_all_together(models_root: Path) -> None:
    with working(models_root, "--images-per-minute", "5") as process:
        codes = [answer(process.connect(), "POST", "/generate", BODY)[0] for _ in range(8)]
        assert codes == [200] * 5 + [429] * 3
