"""Standard error that nobody reads."""

import fcntl
import io
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mirage.service.telemetry.stderr import UnblockedStderr, reopen_unblocked

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """The ends of a pipe that holds one page."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, select.PIPE_BUF)
    yield ends
    for end in ends:
        os.close(end)


def is_blocking(descriptor: int) -> bool:
    return not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_NONBLOCK


def test_what_does_not_fit_is_dropped_and_counted(pipe: Pipe) -> None:
    stream = UnblockedStderr(pipe[1])
    line = b"x" * 999 + b"\n"
    for _ in range(10):
        assert stream.write(line) == len(line)
    assert stream.dropped == 9, "a page that holds something takes nothing for sure"
    assert os.read(pipe[0], 10**6) == line
    stream.write(b"after\n")
    assert os.read(pipe[0], 10**6) == b"after\n"


def test_a_pipe_that_was_opened_anew_is_filled_up(pipe: Pipe) -> None:
    reopen_unblocked(pipe[1])
    stream = UnblockedStderr(pipe[1])
    stream.write(b"x" * select.PIPE_BUF)
    stream.write(b"y\n")
    assert stream.dropped == 1
    assert os.read(pipe[0], 10**6) == b"x" * select.PIPE_BUF


def test_a_long_line_is_finished_before_the_next(pipe: Pipe) -> None:
    stream = UnblockedStderr(pipe[1])
    line = b"x" * 6000 + b"\n"
    stream.write(line)
    stream.write(b"between\n")
    assert stream.dropped == 1
    text = os.read(pipe[0], 10**6)
    stream.write(b"next\n")
    text += os.read(pipe[0], 10**6)
    stream.write(b"next\n")
    assert (text + os.read(pipe[0], 10**6)).startswith(line)


def test_lines_are_written_whole_where_they_fit(pipe: Pipe) -> None:
    """So that other processes, which hold the same end, do not write into the middle of one."""
    line = b"x" * 999 + b"\n"
    stream = UnblockedStderr(pipe[1])
    stream.write(6 * line)
    assert os.read(pipe[0], 10**6) == 4 * line
    os.write(pipe[1], b"of another\n")
    assert os.read(pipe[0], 10**6) == b"of another\n"
    stream.write(b"next\n")
    stream.write(b"next\n")
    assert os.read(pipe[0], 10**6) == 2 * line
    assert stream.dropped == 2


def test_who_holds_the_same_end_is_not_affected(pipe: Pipe) -> None:
    own = os.dup(pipe[1])
    reopen_unblocked(own)
    assert (is_blocking(own), is_blocking(pipe[1])) == (False, True)
    os.write(own, b"x")
    assert os.read(pipe[0], 9) == b"x"
    os.close(own)


def test_what_cannot_be_opened_anew_stays_as_it_is() -> None:
    one, other = socket.socketpair()
    with one, other:
        reopen_unblocked(one.fileno())
        UnblockedStderr(one.fileno()).write(b"x\n")
        assert other.recv(9) == b"x\n"


def test_a_reader_that_has_gone_disturbs_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = UnblockedStderr(writer)
    stream.write(b"x\n")
    assert stream.dropped == 1
    os.close(writer)


def test_nothing_at_all_waits_for_it(pipe: Pipe) -> None:
    """Neither what is printed, nor what C writes, nor the end."""
    program = (
        "import os, sys, faulthandler\n"
        "from mirage.service.telemetry.stderr import lines_unwritten, unblock_stderr\n"
        "unblock_stderr()\n"
        "for _ in range(100): print('x' * 999, file=sys.stderr)\n"
        "faulthandler.dump_traceback()\n"
        "print(lines_unwritten())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stderr=pipe[1], stdout=subprocess.PIPE, timeout=60
    )
    assert done.returncode == 0
    assert int(done.stdout) > 90


def test_text_goes_through(pipe: Pipe) -> None:
    stream = io.TextIOWrapper(UnblockedStderr(pipe[1]), "utf-8", write_through=True)
    stream.write("é\n")
    assert os.read(pipe[0], 9) == "é\n".encode()
    assert stream.fileno() == pipe[1]
