import io

from mirage_client.progress import Progress


class Terminal(io.StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, total: int, done: int, seconds_each: float) -> list[str]:
    """What a run writes, line over line, by a clock that each image moves."""
    now = 0.0
    progress = Progress(stream, lambda: now)
    progress.begin(total, done)
    for _ in range(total - done):
        now += seconds_each
        progress.advance()
    progress.end()
    return [line.removesuffix("\x1b[K") for line in stream.getvalue().split("\r")[1:]]


def test_it_tells_how_many_how_fast_and_how_long() -> None:
    lines = shown(Terminal(), 1004, 1000, 20.0)
    assert lines[0] == "[#######################·] 1,000/1,004"
    assert lines[1] == "[#######################·] 1,001/1,004  0 images/s  1:00 left"
    assert lines[-1] == "[########################] 1,004/1,004  0 images/s  0:00 left\x1b[K\n"


def test_it_does_not_count_what_was_there_as_speed() -> None:
    assert "  4 images/s  0:00 left" in shown(Terminal(), 104, 100, 0.25)[-1]


def test_a_fast_run_is_shown_now_and_then() -> None:
    assert len(shown(Terminal(), 1000, 0, 0.001)) < 15


def test_it_is_silent_when_nobody_watches() -> None:
    assert shown(io.StringIO(), 10, 0, 1.0) == []
