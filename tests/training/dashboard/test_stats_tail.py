import json
from pathlib import Path

import pytest

from mirage.training.dashboard import stats_tail
from mirage.training.dashboard.stats_tail import MAX_LINE_BYTES, StatsTail


def lines(*images: int) -> bytes:
    return b"".join(json.dumps({"nimg": nimg, "d_loss": 0.5}).encode() + b"\n" for nimg in images)


def seen(tail: StatsTail) -> list[float]:
    return [line["nimg"] for line in tail.read()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stats.jsonl"


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_a_missing_file_has_no_lines(path: Path) -> None:
    assert StatsTail(path).read() == []


def test_takes_a_line_once_it_is_complete(path: Path) -> None:
    tail = StatsTail(path)
    path.write_bytes(lines(8) + b'{"nimg": 1')
    assert seen(tail) == [8]
    append(path, b'6, "d_loss": 1}\n')
    assert tail.read()[1] == {"nimg": 16, "d_loss": 1}


def test_reads_only_what_was_added(path: Path) -> None:
    path.write_bytes(lines(8, 16))
    tail = StatsTail(path)
    assert seen(tail) == [8, 16]
    content = bytearray(path.read_bytes())
    content[:4] = b"????"  # the first line would be left out now
    path.write_bytes(bytes(content) + lines(24))
    assert seen(tail) == [8, 16, 24]


@pytest.mark.parametrize("after", [(8,), (8, 24, 32, 40, 48), ()])
def test_a_replaced_file_is_read_from_its_start(path: Path, after: tuple[int, ...]) -> None:
    path.write_bytes(lines(8, 16, 24))
    tail = StatsTail(path)
    assert seen(tail) == [8, 16, 24]
    path.write_bytes(lines(*after))
    assert seen(tail) == list(after)


def test_a_file_that_was_removed_has_no_lines(path: Path) -> None:
    path.write_bytes(lines(8))
    tail = StatsTail(path)
    assert seen(tail) == [8]
    path.unlink()
    assert tail.read() == []


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 3 * MAX_LINE_BYTES + b"\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"[" * 50_000 + b"\n",
        b'{"nimg": "many"}\n',
        b'{"nimg": -1}\n',
        b'{"nimg": 1' + b"0" * 4000 + b"}\n",
    ],
)
def test_leaves_damaged_lines_out(path: Path, damage: bytes) -> None:
    path.write_bytes(lines(8) + damage + lines(16))
    assert seen(StatsTail(path)) == [8, 16]


def test_nuls_that_end_a_file_are_passed_when_lines_follow(path: Path) -> None:
    path.write_bytes(lines(8) + b"\0" * 40)
    tail = StatsTail(path)
    assert seen(tail) == [8]
    append(path, b"\n" + lines(16))
    assert seen(tail) == [8, 16]


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"text"', "null", "[1]", "1" + "0" * 400])
def test_leaves_out_values_that_are_no_finite_numbers(path: Path, value: str) -> None:
    path.write_text(f'{{"nimg": 8, "d_loss": {value}, "g_loss": 2}}\n')
    assert StatsTail(path).read() == [{"nimg": 8, "g_loss": 2}]


def test_bounds_the_number_of_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats_tail, "MAX_LINES", 10)
    path.write_bytes(lines(*range(1, 100)))
    found = seen(StatsTail(path))
    assert len(found) <= 10
    assert found[-1] == 99
    assert found == sorted(found)
