from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

from mirage.training.dashboard.run_view import RunView
from mirage.training.dashboard.server import DashboardServer

Serve = Callable[[Path], DashboardServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that serves the page about a run on a free port."""
    with ExitStack() as stack:

        def start(run: Path) -> DashboardServer:
            server = stack.enter_context(DashboardServer(RunView(run), 0))
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            thread.start()
            return server

        yield start
