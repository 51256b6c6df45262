from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.data import load
from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import DataOptions
from mirage.training.errors import DataError
from tests.training.helpers.datasets import shapes, write_idx, write_idx_folder, write_image_folder
from tests.training.helpers.files import png, write_tree, write_zip


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


def test_sorts_classes_that_are_integers_by_value(tmp_path: Path, cache: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((3, 8, 8)))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([9, 10, 9]))
    data = load_dataset(tmp_path, cache=cache)
    assert data.classes == ("9", "10")
    assert data.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_reads_class_folders_with_their_own_channels(
    tmp_path: Path, cache: Path, channels: int
) -> None:
    images = write_image_folder(tmp_path / "data", channels=channels)
    data = load_dataset(tmp_path / "data", cache=cache)
    assert data.classes == ("left", "right")
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_array_equal(data.images, np.concatenate([images[0::2], images[1::2]]))


def test_converts_to_the_requested_channels(tmp_path: Path, cache: Path) -> None:
    write_image_folder(tmp_path / "data", channels=1)
    data = load_dataset(tmp_path / "data", options=DataOptions(channels=3), cache=cache)
    assert data.images.shape == (8, 8, 8, 3)


def test_a_flat_folder_has_no_classes(tmp_path: Path, cache: Path) -> None:
    for number, image in enumerate(shapes(4, 8, 3)[0]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    data = load_dataset(tmp_path, cache=cache)
    assert data.labels is None
    assert data.classes == ()


def test_decodes_again_only_when_a_file_changes(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "data"
    write_image_folder(folder)
    first = load_dataset(folder, cache=cache)
    built = sorted(cache.rglob("images.npy"))
    assert load_dataset(folder, cache=cache).fingerprint == first.fingerprint
    assert sorted(cache.rglob("images.npy")) == built
    Image.new("RGB", (8, 8), "red").save(folder / "left" / "000.png")
    assert load_dataset(folder, cache=cache).fingerprint != first.fingerprint


def test_reports_and_leaves_out_a_broken_image(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image_folder(tmp_path / "data", count=200)
    (tmp_path / "data" / "left" / "000.png").write_bytes(b"not an image")
    data = load_dataset(tmp_path / "data", cache=cache)
    assert len(data) == 199
    assert "left out left/000.png: is not in a supported image format" in capsys.readouterr().err


def test_stops_when_too_many_are_broken(tmp_path: Path, cache: Path) -> None:
    write_image_folder(tmp_path / "data", count=8)
    for number in (0, 2):
        (tmp_path / "data" / "left" / f"{number:03}.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"2 of 8 images .* at most 1% or 1 may be broken"):
        load_dataset(tmp_path / "data", cache=cache)
    assert not list(cache.rglob("*.npy"))


def test_a_truncated_image_counts_as_broken(tmp_path: Path, cache: Path) -> None:
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


def _empty_class(folder: Path) -> None:
    write_tree(folder, {"left/a.png": png()})
    (folder / "right").mkdir()


def _odd_size(folder: Path) -> None:
    write_tree(folder, {"a.png": png(size=(6, 10))})


def _all_broken(folder: Path) -> None:
    write_tree(folder, {"a.png": b"", "b.png": b""})


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda folder: None, "neither IDX files nor images"),
        (_two_sizes, r"have 2 sizes, 8x8 \(1\), 8x12 \(1\); .* such as --size 8x8"),
        (_mixed, "mixes images with class folders"),
        (_unlabelled_idx, "has no labels: add train-labels-idx1-ubyte"),
        (_too_few_labels, r"has images \(3, 8, 8\) and labels \(2,\)"),
        (_empty_class, "has the class folder right without any image"),
        (_odd_size, "are 6x10; .* pass --size 8x12 --crop pad .* or --size 4x8 to shrink"),
        (
            _all_broken,
            "none of 2 images of .* can be read; a.png: is not in a supported image format",
        ),
    ],
)
def test_names_the_fault_of_the_data(tmp_path: Path, fill, said: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    fill(folder)
    with pytest.raises(DataError, match=said):
        load_dataset(folder, cache=tmp_path / "cache")


def test_names_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file or folder"):
        load_dataset(tmp_path / "nowhere", cache=tmp_path)


def test_sorts_pictures_by_code_points_folder_by_folder(tmp_path: Path, cache: Path) -> None:
    names = ["b/1.png", "a/z.png", "a-b/1.png", "a/Z.PNG", "a/10.png", "a/9.png", "a/deep/1.png"]
    write_tree(tmp_path / "data", {name: png(n) for n, name in enumerate(names)})
    data = load_dataset(tmp_path / "data", cache=cache)
    assert data.images[:, 0, 0, 0].tolist() == [4, 5, 3, 6, 1, 2, 0]
    assert data.classes == ("a", "a-b", "b")


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_order_does_not_depend_on_the_number_of_workers(tmp_path: Path, workers: int) -> None:
    write_tree(tmp_path / "data", {f"{n:03}.png": png(n) for n in range(250)})
    data = load_dataset(tmp_path / "data", cache=tmp_path / "cache", workers=workers)
    assert data.images[:, 0, 0, 0].tolist() == list(range(250))


def test_follows_links_but_not_in_circles(tmp_path: Path, cache: Path) -> None:
    write_tree(tmp_path, {"elsewhere/1.png": png(1), "data/b/2.png": png(2)})
    (tmp_path / "data" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "b" / "round").symlink_to(tmp_path / "data")
    assert load_dataset(tmp_path / "data", cache=cache).classes == ("a", "b")


@pytest.mark.parametrize("archived", [False, True])
def test_twelve_numbered_class_folders_are_classes_0_to_11(
    tmp_path: Path, cache: Path, archived: bool
) -> None:
    files = {f"{number}/a.png": png(number) for number in range(12)}
    place = write_zip(tmp_path / "data.zip", files) if archived else tmp_path / "data"
    if not archived:
        write_tree(place, files)
    data = load_dataset(place, cache=cache)
    assert data.classes == tuple(map(str, range(12)))
    assert data.labels is not None
    assert data.images[:, 0, 0, 0].tolist() == data.labels.tolist()


def test_data_that_another_version_decoded_are_decoded_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tree(tmp_path / "data", {f"{number}/a.png": png(number) for number in (9, 10)})
    with monkeypatch.context() as earlier:
        earlier.setattr(load, "FORMAT", 1)
        earlier.setattr(load, "number_classes", lambda names: (np.array([1, 0]), ["10", "9"]))
        before = load_dataset(folder, cache=cache)
    data = load_dataset(folder, cache=cache)
    assert (before.classes, data.classes) == (("10", "9"), ("9", "10"))
    assert data.fingerprint != before.fingerprint  # so runs with the earlier order do not continue


def test_folders_called_train_and_test_are_splits(tmp_path: Path, cache: Path) -> None:
    files = {"train/x/1.png": png(1), "train/y/2.png": png(2), "test/x/3.png": png(3)}
    write_tree(tmp_path / "data", files | {"test/y/4.png": png(4), "val/x/5.png": png(5)})
    train, test = load_splits(tmp_path / "data", cache=cache)
    assert train.images[:, 0, 0, 0].tolist() == [1, 2]
    assert test.images[:, 0, 0, 0].tolist() == [3, 4]


def test_rejects_splits_with_different_classes_or_sizes(tmp_path: Path, cache: Path) -> None:
    files = {"train/x/1.png": png(1), "train/y/2.png": png(2), "test/x/3.png": png(3)}
    folder = write_tree(tmp_path / "data", files)
    with pytest.raises(DataError, match=r"only one of train and test in .* has the class y"):
        load_splits(folder, cache=cache)
    write_tree(folder, {"test/y/4.png": png(), "test/x/3.png": png()})
    (folder / "test" / "x" / "3.png").write_bytes(png(size=(4, 4)))
    (folder / "test" / "y" / "4.png").write_bytes(png(size=(4, 4)))
    with pytest.raises(DataError, match=r"train has images \(8, 8, 1\) and test \(4, 4, 1\)"):
        load_splits(folder, cache=cache)


def test_mirrors_only_the_training_split(tmp_path: Path, cache: Path) -> None:
    write_idx_folder(tmp_path)
    train, test = load_splits(tmp_path, DataOptions(mirror=True), cache)
    assert (len(train), len(train.original), len(test)) == (40, 20, 20)
    plain = load_dataset(tmp_path, cache=cache)
    assert train.original.fingerprint == plain.fingerprint
    assert (
        len(list(cache.rglob("images.npy"))) == 2
    )  # one per split; the mirror images are not stored


def test_labels_none_disables_classes(tmp_path: Path, cache: Path) -> None:
    write_image_folder(tmp_path / "data")
    _mixed(tmp_path / "data")
    options = DataOptions(labels="none", channels=3)
    data = load_dataset(tmp_path / "data", options=options, cache=cache)
    assert (data.labels, len(data)) == (None, 10)


def test_reads_classes_from_a_labels_file(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "data", {"a/1.png": png(1), "a/2.png": png(2)})
    labels = tmp_path / "labels.csv"
    labels.write_text("name,label\na/2.png,dog\na/1.png,cat\n")
    options = DataOptions(labels=str(labels))
    data = load_dataset(folder, options=options, cache=cache)
    assert (data.classes, data.labels.tolist()) == (("cat", "dog"), [0, 1])
    labels.write_text("a/1.png,eel\na/2.png,dog\n")
    assert load_dataset(folder, options=options, cache=cache).classes == ("dog", "eel")
    labels.write_text("a/1.png,eel\n")
    with pytest.raises(DataError, match=r"lacks 1 image \(a/2.png\)"):
        load_dataset(folder, options=options, cache=cache)


def test_a_labels_file_covers_both_splits(tmp_path: Path, cache: Path) -> None:
    files = {f"{split}/{n}.png": png(n) for split in ("train", "test") for n in (1, 2)}
    folder = write_tree(tmp_path / "data", files)
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"{name},{name[-5]}\n" for name in files))
    train, test = load_splits(folder, DataOptions(labels=str(labels)), cache)
    assert train.classes == test.classes == ("1", "2")
    labels.write_text(labels.read_text() + "train/3.png,3\n")
    with pytest.raises(DataError, match=r"names 1 image \(train/3.png\)"):
        load_splits(folder, DataOptions(labels=str(labels)), cache)


def test_finds_the_labels_file_of_stylegan(tmp_path: Path, cache: Path) -> None:
    files = {"00000/img0.png": png(1), "00000/img1.png": png(2)}
    labels = b'{"labels": [["00000/img0.png", 3], ["00000/img1.png", 5]]}'
    folder = write_tree(tmp_path / "data", files | {"dataset.json": labels})
    assert load_dataset(folder, cache=cache).classes == ("3", "5")
    (folder / "dataset.json").write_bytes(b'{"labels": null}')
    assert load_dataset(folder, cache=cache).labels is None


def test_names_a_missing_labels_file(tmp_path: Path, cache: Path) -> None:
    write_image_folder(tmp_path / "data")
    with pytest.raises(DataError, match=r"--labels is nowhere.csv: No such file"):
        load_dataset(tmp_path / "data", options=DataOptions(labels="nowhere.csv"), cache=cache)


def test_a_class_of_broken_images_is_refused(tmp_path: Path, cache: Path) -> None:
    files = {f"a/{n}.png": png(n) for n in range(9)} | {"b/1.png": b""}
    folder = write_tree(tmp_path / "data", files)
    with pytest.raises(DataError, match=r"no image of the class b in .* can be read"):
        load_dataset(folder, options=DataOptions(max_broken=0.5), cache=cache)


def test_max_broken_applies_to_cached_data_too(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "data", {f"{n}.png": png(n) for n in range(9)})
    (folder / "x.png").write_bytes(b"")
    assert load_dataset(folder, options=DataOptions(max_broken=0.1), cache=cache).broken == 1
    with pytest.raises(DataError, match=r"1 of 10 images .* at most 5% may be broken"):
        load_dataset(folder, options=DataOptions(max_broken=0.05), cache=cache)


def test_bounds_the_number_of_broken_images_named(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"{n:03}.png": png(n) for n in range(10)} | {f"x{n:03}.png": b"" for n in range(30)}
    write_tree(tmp_path / "data", files)
    load_dataset(tmp_path / "data", options=DataOptions(max_broken=0.9), cache=cache)
    said = capsys.readouterr().err
    assert said.count("left out") == 20
    assert "… and more" in said


def test_accepts_any_sides_divisible_by_four(tmp_path: Path, cache: Path) -> None:
    files = {"a.png": png(1, size=(60, 36)), "b.png": png(2, size=(100, 30))}
    folder = write_tree(tmp_path / "data", files)
    data = load_dataset(folder, options=DataOptions(size=(28, 20)), cache=cache)
    assert data.images.shape == (2, 20, 28, 1)
    assert data.images[:, 0, 0, 0].tolist() == [1, 2]


def test_each_combination_of_options_is_cached_separately(tmp_path: Path, cache: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    folder = tmp_path / "data"
    folder.mkdir()
    Image.fromarray(noise).save(folder / "a.png")
    chosen = [{}, {"size": (8, 8)}, {"size": (8, 8), "crop": "none"}, {"channels": 1}]
    chosen.append({"mirror": True})
    prints = {
        load_dataset(folder, options=DataOptions(**some), cache=cache).fingerprint
        for some in chosen
    }
    assert len(prints) == len(chosen)
