"""Warnings about data from which little can be learnt."""

from pathlib import Path

import numpy as np
import pytest

from mirage.training.__main__ import main
from mirage.training.data.dataset import Dataset, mirror
from mirage.training.data.findings import LEAST_DATA, findings
from tests.training.helpers.files import claims, png, write_tree


def dataset(images: np.ndarray) -> Dataset:
    return Dataset(images, None, (), "f" * 64)


def distinct(count: int) -> np.ndarray:
    """Images uint8 [count, 4, 4, 1], all different."""
    images = np.zeros((count, 4, 4, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.arange(count) % 256, np.arange(count) // 256
    return images


def test_enough_different_images_are_fine() -> None:
    data = dataset(distinct(LEAST_DATA))
    assert list(findings(data)) == []
    assert list(findings(mirror(data))) == []


def test_too_few_images_are_told() -> None:
    (warning,) = findings(dataset(distinct(3)))
    assert warning.startswith("only 3 images: ")
    assert str(LEAST_DATA) in warning


def test_copies_are_counted_with_what_they_are_copies_of() -> None:
    images = distinct(200)
    images[150:160] = images[10]
    (warning,) = findings(dataset(images))
    assert warning.startswith("11 of 200 images are copies of one another; ")


def test_a_dry_run_and_a_training_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_tree(tmp_path / "data", {f"{number:03}.png": png() for number in range(120)})
    command = ["train", "--data", str(data), "--kimg", "0.01", "--run", str(tmp_path / "run")]
    assert main([*command, "--dry-run"]) == 0
    told = "120 of 120 images are copies of one another"
    assert f"warning        {told}" in capsys.readouterr().out
    assert main(command) == 0
    assert f"warning: {told}" in capsys.readouterr().err


def test_of_a_huge_picture_only_its_own_line_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"{number:03}.png": png(number) for number in range(100)}
    data = write_tree(tmp_path / "data", files | {"huge.png": claims(10_000)})
    command = ["train", "--data", str(data), "--dry-run", "--kimg", "0.01"]
    assert main([*command, "--run", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    assert "DecompressionBombWarning" not in said.err
    assert "left out: huge.png is 10000x10000; at most 89,478,485 pixels" in said.out
