from pathlib import Path

import pytest

from mirage.client.errors import Locked
from mirage.client.lock import lock_folder


def test_a_folder_is_locked_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with (
        lock_folder(folder),
        pytest.raises(Locked, match=r"writing to .*folder"),
        lock_folder(folder),
    ):
        raise AssertionError
    with lock_folder(folder):
        assert list(folder.iterdir()) == []
