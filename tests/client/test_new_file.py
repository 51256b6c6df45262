from pathlib import Path

import pytest

from mirage.client.new_file import new_file, part_path


def test_the_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    with new_file(path) as file:
        file.write(b"after")
        file.flush()
        assert path.read_bytes() == b"before"
        assert part_path(path).read_bytes() == b"after"
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"before")

    def fail() -> None:
        with new_file(path) as file:
            file.write(b"after")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_the_rest_of_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    part_path(path).write_bytes(b"longer than the new contents")
    with new_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
