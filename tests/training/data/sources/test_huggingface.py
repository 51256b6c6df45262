"""Data sets in Hugging Face's formats on the local disk; nothing is downloaded."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.huggingface import Address, read_address
from mirage.training.errors import DataError, UsageError
from tests.training.helpers.datasets import shapes
from tests.training.helpers.files import png, write_tree

IMAGES, LABELS = shapes(12, channels=3)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf:mnist", Address("mnist", None, None)),
        ("hf:uoft-cs/cifar10@test", Address("uoft-cs/cifar10", None, "test")),
        ("hf:user/name:config@train", Address("user/name", "config", "train")),
        ("hf:./folder", Address("./folder", None, None)),
    ],
)
def test_parses_an_address(text: str, address: Address) -> None:
    assert read_address(text) == address


def test_rejects_an_address_without_a_name() -> None:
    with pytest.raises(UsageError, match=r"expected hf:NAME\[:CONFIG\]\[@SPLIT\]"):
        read_address("hf:@train")


def test_names_the_missing_package_and_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"need the package `datasets`; .*-e '\.\[hf\]'"):
        load_dataset("hf:anything", cache=tmp_path)


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The package `datasets`, without network access and with a cache of its own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    package = pytest.importorskip("datasets", reason="needs the extra hf")
    monkeypatch.setattr(package.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(package.config, "HF_DATASETS_OFFLINE", True)
    package.disable_progress_bars()
    return package


def table(datasets, count: int = 12, **more: object):
    """Images with classes that are not sorted by code points."""
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["right", "left"])}
    columns = {
        "image": [Image.fromarray(image) for image in IMAGES[:count]],
        "label": (1 - LABELS[:count]).tolist(),
    }
    kinds |= {name: datasets.ClassLabel(names=["x", "y"]) for name in more}
    return datasets.Dataset.from_dict(columns | more, features=datasets.Features(kinds))


def test_reads_a_data_set_saved_to_disk(tmp_path: Path, datasets) -> None:
    table(datasets).save_to_disk(tmp_path / "saved")
    data = load_dataset(f"hf:{tmp_path / 'saved'}", cache=tmp_path)
    np.testing.assert_array_equal(data.images, IMAGES)
    np.testing.assert_array_equal(data.labels, LABELS)
    assert data.classes == ("left", "right")


def test_reads_a_folder_of_images_with_splits(
    tmp_path: Path, datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        f"{split}/{name}/{n}.png": png(n)
        for split in ("train", "test")
        for name in "ab"
        for n in range(3 if split == "train" else 1)
    }
    write_tree(tmp_path / "folder", files)
    monkeypatch.chdir(tmp_path)
    train, test = load_splits("hf:./folder", cache=tmp_path)
    assert (len(train), len(test)) == (6, 2)
    assert train.classes == test.classes == ("a", "b")


def test_an_address_may_name_a_split(tmp_path: Path, datasets) -> None:
    both = datasets.DatasetDict({"all": table(datasets), "few": table(datasets, 4)})
    both.save_to_disk(tmp_path / "saved")
    assert len(load_dataset(f"hf:{tmp_path / 'saved'}@few", cache=tmp_path)) == 4
    with pytest.raises(DataError, match="has no split train; it has all, few"):
        load_dataset(f"hf:{tmp_path / 'saved'}", cache=tmp_path)


def test_labels_names_the_column_of_classes_or_none(tmp_path: Path, datasets) -> None:
    coarse = table(datasets, coarse=[0] * 6 + [1] * 6)
    coarse.save_to_disk(tmp_path / "saved")
    place = f"hf:{tmp_path / 'saved'}"
    assert load_dataset(place, options=DataOptions(labels="none"), cache=tmp_path).labels is None
    data = load_dataset(place, options=DataOptions(labels="coarse"), cache=tmp_path)
    assert data.classes == ("x", "y")
    assert data.labels.tolist() == [0] * 6 + [1] * 6
    with pytest.raises(DataError, match="has the columns image, label, coarse"):
        load_dataset(place, options=DataOptions(labels="fine"), cache=tmp_path)
    coarse.rename_column("label", "fine").save_to_disk(tmp_path / "two")
    with pytest.raises(DataError, match=r"several columns of classes; pass --labels fine\|coarse"):
        load_dataset(f"hf:{tmp_path / 'two'}", cache=tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda stored: stored.remove_columns("image"), "has no column of images; it has label"),
        (lambda stored: stored.map(lambda row: {"label": -1}), "has the label -1 in label"),
    ],
)
def test_names_the_fault_of_a_table(tmp_path: Path, datasets, change, said: str) -> None:
    change(table(datasets)).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=said):
        load_dataset(f"hf:{tmp_path / 'saved'}", cache=tmp_path)


def test_names_a_data_set_that_cannot_be_loaded(tmp_path: Path, datasets) -> None:
    with pytest.raises(DataError, match=r"hf:\./nowhere cannot be loaded: "):
        load_dataset("hf:./nowhere", cache=tmp_path)


def test_reads_parquet_files_of_encoded_images(tmp_path: Path, datasets) -> None:
    path = tmp_path / "train.parquet"
    table(datasets).to_parquet(str(path))
    data = load_dataset(path, cache=tmp_path)
    np.testing.assert_array_equal(data.images, IMAGES)
    assert data.classes == ("left", "right")
    plain = datasets.Dataset.from_dict({"picture": [png(1), png(2)], "kind": ["a", "b"]})
    plain.to_parquet(str(tmp_path / "plain.parquet"))
    options = DataOptions(labels="kind")
    data = load_dataset(tmp_path / "plain.parquet", options=options, cache=tmp_path)
    assert (data.images[:, 0, 0, 0].tolist(), data.classes) == ([1, 2], ("a", "b"))


def test_names_a_damaged_parquet_file(tmp_path: Path, datasets) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a.parquet cannot be read as Parquet"):
        load_dataset(tmp_path / "a.parquet", cache=tmp_path)
