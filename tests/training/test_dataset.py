from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.data import shapes, write_idx, write_idx_folder, write_image_folder
from training.dataset import load_dataset
from training.errors import DataError


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("split", ["train", "test"])
def test_reads_an_idx_folder(tmp_path: Path, cache: Path, split: str) -> None:
    images, labels = write_idx_folder(tmp_path)
    data = load_dataset(tmp_path, split, cache=cache)
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.classes == ("0", "1")


def test_reads_one_idx_file_with_the_labels_beside_it(tmp_path: Path, cache: Path) -> None:
    images, _ = write_idx_folder(tmp_path)
    data = load_dataset(tmp_path / "t10k-images-idx3-ubyte.gz", cache=cache)
    np.testing.assert_array_equal(data.images, images)


def test_orders_classes_by_code_points(tmp_path: Path, cache: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((3, 8, 8)))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([9, 10, 9]))
    data = load_dataset(tmp_path, cache=cache)
    assert data.classes == ("10", "9")
    assert data.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_reads_class_folders_with_their_own_channels(
    tmp_path: Path, cache: Path, channels: int
) -> None:
    images = write_image_folder(tmp_path / "data", channels=channels)
    data = load_dataset(tmp_path / "data", cache=cache)
    assert data.classes == ("left", "right")
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_array_equal(data.images, np.concatenate([images[0::2], images[1::2]]))


def test_converts_to_the_channels_asked_for(tmp_path: Path, cache: Path) -> None:
    write_image_folder(tmp_path / "data", channels=1)
    assert load_dataset(tmp_path / "data", channels=3, cache=cache).images.shape == (8, 8, 8, 3)


def test_a_flat_folder_has_no_classes(tmp_path: Path, cache: Path) -> None:
    for number, image in enumerate(shapes(4, 8, 3)[0]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    data = load_dataset(tmp_path, cache=cache)
    assert data.labels is None
    assert data.classes == ()


def test_decodes_once_and_again_when_a_file_changes(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "data"
    write_image_folder(folder)
    first = load_dataset(folder, cache=cache)
    built = sorted(cache.rglob("images.npy"))
    assert load_dataset(folder, cache=cache).fingerprint == first.fingerprint
    assert sorted(cache.rglob("images.npy")) == built
    Image.new("RGB", (8, 8), "red").save(folder / "left" / "000.png")
    assert load_dataset(folder, cache=cache).fingerprint != first.fingerprint


def test_names_and_skips_a_broken_image(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image_folder(tmp_path / "data", count=200)
    (tmp_path / "data" / "left" / "000.png").write_bytes(b"not an image")
    data = load_dataset(tmp_path / "data", cache=cache)
    assert len(data) == 199
    assert "left/000.png" in capsys.readouterr().out


def test_stops_when_too_many_are_broken(tmp_path: Path, cache: Path) -> None:
    write_image_folder(tmp_path / "data", count=8)
    (tmp_path / "data" / "left" / "000.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"1 of 8 images .* at most 1% may be broken"):
        load_dataset(tmp_path / "data", cache=cache)
    assert not list(cache.rglob("*.npy"))


def test_a_truncated_image_is_a_broken_one(tmp_path: Path, cache: Path) -> None:
    write_image_folder(tmp_path / "data", count=200)
    path = tmp_path / "data" / "left" / "000.png"
    path.write_bytes(path.read_bytes()[:60])
    assert len(load_dataset(tmp_path / "data", cache=cache)) == 199


def _two_sizes(folder: Path) -> None:
    Image.new("L", (8, 8)).save(folder / "a.png")
    Image.new("L", (8, 12)).save(folder / "b.png")


def _mixed(folder: Path) -> None:
    Image.new("L", (8, 8)).save(folder / "a.png")
    (folder / "sub").mkdir()
    Image.new("L", (8, 8)).save(folder / "sub" / "b.png")


def _unlabelled_idx(folder: Path) -> None:
    write_idx(folder / "train-images-idx3-ubyte", np.zeros((3, 8, 8)))


def _too_few_labels(folder: Path) -> None:
    _unlabelled_idx(folder)
    write_idx(folder / "train-labels-idx1-ubyte", np.zeros(2))


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda folder: None, "neither IDX files nor images"),
        (_two_sizes, "b.png is 8x12, the images before it 8x8"),
        (_mixed, "mixes images with class folders"),
        (_unlabelled_idx, "has no labels: expected train-labels-idx1-ubyte"),
        (_too_few_labels, r"holds \(3, 8, 8\) and its labels \(2,\)"),
    ],
)
def test_says_what_is_wrong_with_the_data(tmp_path: Path, fill, said: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    fill(folder)
    with pytest.raises(DataError, match=said):
        load_dataset(folder, cache=tmp_path / "cache")


def test_names_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file or folder"):
        load_dataset(tmp_path / "nowhere", cache=tmp_path)
