import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.training.dataset.idx import read_idx
from mirage.training.errors import DataError
from tests.training.data import write_idx


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("shape", [(5,), (4, 3, 2)])
def test_reads_what_was_written(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    write_idx(tmp_path / name, array)
    np.testing.assert_array_equal(read_idx(tmp_path / name), array)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "begins with"),
        (b"\x89PNG\r\n", "begins with 89504e47"),
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "begins with 00000d01"),
        (b"\0\0\x08\3\0\0\0\1", "cut short in its header"),
        (b"\0\0\x08\1\0\0\0\5abc", "but holds 3"),
        (b"\x1f\x8b not gzip", "cannot be read"),
    ],
)
def test_refuses_what_is_no_idx(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_idx(path)


@given(content=st.binary(max_size=64))
def test_any_bytes_are_an_array_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_idx(path).dtype == np.uint8
