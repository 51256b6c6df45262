"""Masks beside pictures are found by their names."""

from pathlib import Path

import pytest

from mirage.training.data.load import load_dataset
from mirage.training.data.sources.masks import note_masks
from tests.training.helpers.files import png, write_tree


@pytest.mark.parametrize(
    "mask",
    ["1_mask.png", "1-mask.jpg", "1.seg.png", "1 Mask.png", "1_mask_1.png", "1_depth.png"],
)
def test_a_mask_is_named_with_its_picture(mask: str) -> None:
    (note,) = note_masks(["0.png", "1.png", mask])
    assert note.startswith(f"1 of 3 pictures are named like masks, such as {mask} beside 1.png, ")


@pytest.mark.parametrize(
    "names", [["carnival_mask.png", "2.png"], ["1.png", "2.png"], ["a/1.png", "b/1_mask.png"], []]
)
def test_pictures_of_masks_are_none(names: list[str]) -> None:
    assert note_masks(names) == ()


def test_the_note_belongs_to_the_data(tmp_path: Path) -> None:
    files = {"a/1.png": png(1), "a/1_mask.png": png(2), "b/2.png": png(3)}
    data = load_dataset(write_tree(tmp_path / "data", files), cache=tmp_path / "cache")
    assert data.notes[0].startswith("1 of 3 pictures are named like masks, such as a/1_mask.png ")
