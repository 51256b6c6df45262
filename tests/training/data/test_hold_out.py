from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from tests.training.helpers.datasets import shapes
from tests.training.helpers.files import encode, png, write_tree


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def options_with(**values: object) -> DataOptions:
    return DataOptions.model_validate({"labels": "none", **values})


def test_whole_groups_are_held_out(tmp_path: Path, cache: Path) -> None:
    images = shapes(24, channels=3)[0]
    write_tree(
        tmp_path / "data",
        {f"{k % 6}/{k:02}.png": encode(Image.fromarray(images[k])) for k in range(24)},
    )
    options = options_with(groups="folder", held_out=40)
    kept, out = (
        load_dataset(tmp_path / "data", split, options, cache) for split in ("train", "test")
    )
    assert len(kept) + len(out) == 24
    assert set(kept.groups) | set(out.groups) == set(range(6))
    assert set(kept.groups).isdisjoint(out.groups)
    everything = load_dataset(tmp_path / "data", options=options_with(), cache=cache)
    found = {image.tobytes() for part in (kept, out) for image in part.images}
    assert found == {image.tobytes() for image in everything.images}
    assert len({kept.fingerprint, out.fingerprint, everything.fingerprint}) == 3


def test_without_groups_copies_are_held_out_together(tmp_path: Path, cache: Path) -> None:
    images = np.repeat(shapes(12, channels=3)[0], 2, axis=0)
    np.save(tmp_path / "data.npy", images)
    options = options_with(held_out=30)
    kept, out = (
        {image.tobytes() for image in load_dataset(tmp_path / "data.npy", split, options).images}
        for split in ("train", "test")
    )
    assert out
    assert kept.isdisjoint(out)


def test_a_file_tells_the_groups_of_pictures_that_can_be_read(tmp_path: Path, cache: Path) -> None:
    images = shapes(3, channels=3)[0]
    files = {f"{k}.png": encode(Image.fromarray(image)) for k, image in enumerate(images)}
    write_tree(tmp_path / "data", files | {"broken.png": b"nothing"})
    table = tmp_path / "groups.csv"
    table.write_text("0.png,b\n1.png,a\n2.png,b\nbroken.png,c\n")
    options = options_with(groups=str(table), max_broken=0.5)
    data = load_dataset(tmp_path / "data", options=options, cache=cache)
    assert data.groups.tolist() == [1, 0, 1]
    plain = load_dataset(tmp_path / "data", options=options_with(max_broken=0.5), cache=cache)
    assert data.fingerprint == plain.fingerprint


def test_of_one_group_nothing_can_be_held_out(tmp_path: Path, cache: Path) -> None:
    write_tree(tmp_path / "data", {"a/1.png": png()})
    with pytest.raises(DataError, match="only one group"):
        load_dataset(tmp_path / "data", options=options_with(groups="folder", held_out=9))


def test_a_class_of_which_all_would_be_held_out_is_named(tmp_path: Path, cache: Path) -> None:
    images = shapes(24, channels=3)[0]
    files = {f"{'abcd'[k % 4]}/{k:02}.png": encode(Image.fromarray(images[k])) for k in range(24)}
    write_tree(tmp_path / "data", files)
    folders = options_with(labels="auto", groups="folder", held_out=20)
    for split in ("train", "test"):
        with pytest.raises(
            DataError,
            match=r"--held-out 20 with --groups folder leaves no images of the class d to train on",
        ):
            load_dataset(tmp_path / "data", split, folders, cache)
    contents = options_with(labels="auto", held_out=20)
    data = load_dataset(tmp_path / "data", options=contents, cache=cache)
    assert set(data.labels) == {0, 1, 2, 3}
