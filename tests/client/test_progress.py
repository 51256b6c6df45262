import io

from mirage.client.progress import Progress


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, total: int, done: int, seconds_each: float) -> list[str]:
    """The lines that a run writes, with a clock that advances with each image."""
    now = 0.0
    progress = Progress(stream, lambda: now)
    progress.begin(total, done)
    for _ in range(total - done):
        now += seconds_each
        progress.advance()
    progress.end()
    return [line.removesuffix("\x1b[K") for line in stream.getvalue().split("\r")[1:]]


def test_shows_count_rate_and_remaining_time() -> None:
    lines = shown(Terminal(), 1004, 1000, 20.0)
    assert lines[0] == "[#######################·] 1,000/1,004"
    assert lines[1] == "[#######################·] 1,001/1,004  0 images/s  1:00 left"
    assert lines[-1] == "[########################] 1,004/1,004  0 images/s  0:00 left\x1b[K\n"


def test_existing_images_do_not_count_for_the_rate() -> None:
    assert "  4 images/s  0:00 left" in shown(Terminal(), 104, 100, 0.25)[-1]


def test_refreshes_at_a_bounded_rate() -> None:
    assert len(shown(Terminal(), 1000, 0, 0.001)) < 15


def test_without_a_terminal_short_work_is_silent() -> None:
    log = io.StringIO()
    shown(log, 10, 0, 1.0)
    assert log.getvalue() == ""


def test_without_a_terminal_long_work_writes_a_line_now_and_then() -> None:
    log = io.StringIO()
    shown(log, 200, 0, 0.25)
    assert log.getvalue().splitlines() == [
        "60/200  4 images/s  0:35 left",
        "120/200  4 images/s  0:20 left",
        "180/200  4 images/s  0:05 left",
    ]
