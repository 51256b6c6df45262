"""Progress is a bar on a terminal, and lines in a log."""

import io
import sys

import pytest

from mirage.training.evaluation.progress import LogLines, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = LogLines(2_000, "generating", "images", clock=lambda: now)
    for _ in range(10):
        now += 3
        lines.update(200)
    assert capsys.readouterr().err.splitlines() == [
        "generating: 800 of 2,000 images",
        "generating: 1,600 of 2,000 images",
    ]


def test_quick_work_adds_nothing_to_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(1, "generating", "images") as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar(1, "generating", "images") as bar:
        bar.update()
    assert "generating" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
