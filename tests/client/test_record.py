from dataclasses import replace
from pathlib import Path

import pytest

from mirage.client.errors import DatasetError, Locked
from mirage.client.record import Record, lock_dataset, read_record

RECORD = Record(
    model="toy",
    version=1,
    sha256="abc",
    runtime={"provider": "cpu"},
    seed=2**64 - 1,
    truncation=0.5,
    labels=(2, 0),
    classes=("a", "b", "ç"),
    by_class=False,
    shard_size=None,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "mirage.json"


def begin(path: Path, record: Record = RECORD) -> None:
    with lock_dataset(path, record):
        pass


def test_round_trips(path: Path) -> None:
    assert read_record(path) is None
    begin(path)
    assert read_record(path) == RECORD
    assert b'"seed": "18446744073709551615"' in path.read_bytes()


def test_cycles_through_the_labels() -> None:
    assert [RECORD.label(index) for index in range(5)] == [2, 0, 2, 0, 2]


def test_a_caption_has_the_parameters_of_the_image() -> None:
    made_again = {"model": "toy@1", "seed": str(2**64 - 1), "index": 4, "truncation": 0.5}
    assert RECORD.caption(4) == {**made_again, "label": 2, "class": "ç"}
    assert replace(RECORD, labels=(), classes=()).caption(4) == made_again


def test_accepts_the_same_record(path: Path) -> None:
    begin(path)
    before = path.read_bytes()
    begin(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("model", "other", "model is 'other'; .* was started with 'toy'"),
        ("version", 2, "version is 2; .* with 1\\."),
        ("sha256", "abd", "sha256 is "),
        ("runtime", {"provider": "cuda"}, "runtime is "),
        ("seed", 7, "seed is 7;"),
        ("truncation", 1.0, "truncation is 1.0"),
        ("labels", (2,), "labels is "),
        ("by_class", True, "by_class is True"),
        ("shard_size", 5, "shard_size is 5; .* with None"),
    ],
)
def test_rejects_another_record(path: Path, name: str, value: object, shown: str) -> None:
    begin(path)
    before = path.read_bytes()
    with pytest.raises(DatasetError, match=shown):
        begin(path, replace(RECORD, **{name: value}))
    assert path.read_bytes() == before


def test_rewrites_an_incomplete_record(path: Path) -> None:
    begin(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        assert read_record(path) is None
        begin(path)
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "raw",
    [b"{}\n", b'{"format": 2}\n', b'{"format": 1, "seed": "x"}\n', b'["}\n', b'["a{}\\n"]\n{}\n'],
)
def test_rejects_and_keeps_an_invalid_record(path: Path, raw: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(raw)
    with pytest.raises(DatasetError, match="is not a record of a dataset"):
        begin(path)
    assert path.read_bytes() == raw


def test_locks_the_dataset(path: Path) -> None:
    with lock_dataset(path, RECORD), pytest.raises(Locked, match="another process is writing"):
        begin(path)
    begin(path)


def test_does_not_follow_a_link(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        begin(path)
    assert not (path.parent / "elsewhere").exists()
