"""The command `watch`: a web page that follows a run."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mirage.training.dashboard.run_view import RunView
from mirage.training.dashboard.server import DashboardServer
from mirage.training.errors import DataError

SUMMARY = "show a run that is going on, or has ended, as a page in the browser"
ENDING = """The page shows progress and time left, sample grids over time, curves, the watchdog, and
the command that resumes the run. It listens on 127.0.0.1 only, for all users of this computer, and
never writes to the run. From another computer: ssh -L 8010:127.0.0.1:8010 HOST. Ctrl+C ends it; the
training goes on."""
PORT = 8010


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    parser = add("watch", help=SUMMARY, description=SUMMARY, epilog=ENDING)
    parser.set_defaults(command=_watch)
    parser.add_argument("run", type=Path, metavar="RUN", help="its folder; it may begin later")
    parser.add_argument(
        "--port", type=_port, default=PORT, help=f"0 takes a free one; default {PORT}"
    )


def _port(text: str) -> int:
    if not 0 <= (number := int(text)) < 65_536:
        raise argparse.ArgumentTypeError(f"{number} is not in 0 ... 65535")
    return number


def _watch(options: argparse.Namespace) -> Iterator[str]:
    if options.run.exists() and not options.run.is_dir():
        raise DataError(f"{options.run} is not a folder")
    with DashboardServer(RunView(options.run), options.port) as server, suppress(KeyboardInterrupt):
        yield f"{server.url} shows {options.run}; Ctrl+C ends it"
        sys.stdout.flush()
        server.serve_forever()
