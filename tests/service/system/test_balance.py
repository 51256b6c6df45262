"""The workers of the real service accept connections so that each has as many."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from mirage.service.processes.acceptor import LEEWAY, RESERVED_FILES
from tests.service.helpers.server_process import serving
from tests.service.helpers.workers import (
    ask,
    connections_of,
    ports_of,
    wait_for,
    workers_of,
    working,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")

FEW = 4  # connections that one worker may have more than another


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
        held = connections_of(other)  # more, the longer the new worker took to start
        assert abs(connections_of(new) - held) <= 2 * (held // LEEWAY)


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


def test_few_descriptors_let_connections_wait_and_harm_nobody(models_root: Path) -> None:
    limit, clients = 96, 212
    flags = ("--workers", "2", "--drain-delay-s", "0")
    program = "tests.service.helpers.limited_service"
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
        assert ask(stack.enter_context(contextlib.closing(process.connect()))) == image
        assert workers_of(process) == workers
        process.stop()
        assert b"new connections wait: 32 are open, the most allowed" in process.log
