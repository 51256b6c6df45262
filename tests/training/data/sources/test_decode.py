from pathlib import Path

import pytest

from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from tests.training.helpers.files import png, write_tree


@pytest.mark.parametrize(("count", "broken"), [(8, 1), (24, 3), (250, 3), (400, 4)])
def test_a_few_may_be_broken(tmp_path: Path, count: int, broken: int) -> None:
    files = {f"{n:03}.png": png(n % 256) for n in range(count)}
    folder = write_tree(tmp_path / "data", files | {f"{n:03}.png": b"" for n in range(broken)})
    assert load_dataset(folder, cache=tmp_path / "cache").broken == broken
    (folder / f"{broken:03}.png").write_bytes(b"")
    with pytest.raises(DataError, match=rf"{broken + 1} of {count} images"):
        load_dataset(folder, cache=tmp_path / "cache")


def test_the_error_names_the_share_that_was_asked_for(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "data", {"0.png": png(0), "1.png": b""})
    with pytest.raises(DataError, match="at most 0% may be broken"):
        load_dataset(folder, options=DataOptions(max_broken=0), cache=tmp_path / "cache")
