from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirage.training.__main__ import main
from mirage.training.dataset import load_dataset
from mirage.training.errors import DataError, UsageError
from mirage.training.stacking import triples_of, write_stacked
from tests.training.data import shapes_dataset, write_idx_folder

DIGITS = shapes_dataset()


def test_every_channel_is_a_digit(tmp_path: Path) -> None:
    write_stacked(tmp_path / "stacked.npy", DIGITS, 5000, seed=1)
    stacked = np.load(tmp_path / "stacked.npy")
    assert (stacked.shape, stacked.dtype) == ((5000, 8, 8, 3), np.uint8)
    chosen = triples_of(len(DIGITS), 5000, seed=1)
    for image in (0, 4095, 4096, 4999):
        for channel in range(3):
            digit = DIGITS.images[chosen[image, channel], ..., 0]
            np.testing.assert_array_equal(stacked[image, ..., channel], digit)
    assert [path.name for path in tmp_path.iterdir()] == ["stacked.npy"]


def test_the_seed_decides(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.npy", "b.npy", "c.npy")]
    for file, seed in zip(files, (0, 0, 1), strict=True):
        write_stacked(file, DIGITS, 50, seed)
    first, same, other = (file.read_bytes() for file in files)
    assert first == same != other


def test_the_file_is_data_to_train_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digits, file = tmp_path / "digits", tmp_path / "stacked.npy"
    digits.mkdir()
    write_idx_folder(digits)
    assert main(["stack-mnist", str(digits), str(file), "--images", "30"]) == 0
    data = load_dataset(file)
    assert data.images.shape == (30, 8, 8, 3)
    assert data.classes == ()


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [("stacked.npz", 9, "must end in .npy"), ("stacked.npy", 0, "--images is 0")],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, name: str, count: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        write_stacked(tmp_path / name, DIGITS, count, seed=0)
    assert not list(tmp_path.iterdir())


def test_coloured_digits_are_refused(tmp_path: Path) -> None:
    colours = replace(DIGITS, images=DIGITS.images.repeat(3, axis=3))
    with pytest.raises(DataError, match="have 3 channels; grey ones have 1"):
        write_stacked(tmp_path / "stacked.npy", colours, 9, seed=0)
