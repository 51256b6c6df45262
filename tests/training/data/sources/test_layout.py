"""Where pictures, splits and classes are; each case also as a ZIP file."""

from pathlib import Path

import pytest

from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.layout import member_name, role_of
from mirage.training.errors import DataError
from tests.training.helpers.files import png, write_tree, write_zip


@pytest.fixture(params=["folder", "zip"])
def place(tmp_path: Path, request: pytest.FixtureRequest):
    """Writes files named like `archive/cat/1.png`, each with its own grey level, from 1 on."""

    def write(*names: str) -> Path:
        files = {name: png(number) for number, name in enumerate(names, 1)}
        if request.param == "zip":
            return write_zip(tmp_path / "data.zip", files)
        return write_tree(tmp_path / "data", files)

    return write


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def greys(data) -> list[int]:
    return data.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("above", ["archive/", "my data/set (1)/"])
def test_skips_folders_that_hold_only_one_folder(place, above: str) -> None:
    data = load_dataset(place(f"{above}cat/1.png", f"{above}dog/1.png"))
    assert data.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Training", "Test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TRAIN_SET", "Testing"),
        ("mydata/train", "mydata/test"),
        ("x/y/train2017", "x/y/test2017"),
    ],
)
def test_recognises_splits(place, train: str, test: str) -> None:
    names = [f"{train}/cat/1.png", f"{train}/dog/1.png", f"{test}/cat/1.png", f"{test}/dog/1.png"]
    first, second = load_splits(place(*names))
    assert (greys(first), greys(second)) == ([1, 2], [3, 4])
    assert first.classes == ("cat", "dog")
    assert first.notes[0].startswith("training images are in ")
    assert first.notes[0].endswith(" (2)")


def test_says_which_images_of_other_splits_are_not_read(place) -> None:
    data = load_dataset(place("train/1.png", "val/2.png", "val/3.png", "sample.png"))
    assert greys(data) == [1]
    assert data.notes == (
        "training images are in train (1); not read are those in val (2), the folder itself (1)",
    )


@pytest.mark.parametrize(
    "names",
    [
        ("train/1.png", "test/1.png", "val/1.png", "extra/1.png"),
        ("test/cat/1.png", "val/cat/1.png"),
        ("train/a/1.png", "images/a/1.png"),
        ("train_images/1.png", "train_masks/1.png", "test/1.png"),
    ],
)
def test_asks_where_splits_are_unclear(place, names: tuple[str, ...]) -> None:
    path = place(*names)
    with pytest.raises(DataError, match="it is unclear which to train on; pass --split "):
        load_dataset(path)
    tops = tuple(sorted({name.split("/")[0] for name in names}))
    assert load_dataset(path, options=DataOptions(split="none")).classes == tops


def test_split_names_the_folders(place) -> None:
    path = place("data/seg_train/1.png", "data/pred_a/2.png", "data/dev_b/3.png", "data/b/4.png")
    train, test = load_splits(path, DataOptions(split="seg_train,dev_b"))
    assert (greys(train), greys(test)) == ([1], [3])
    train, test = load_splits(path, DataOptions(split="b"))
    assert greys(train) == greys(test) == [4]
    with pytest.raises(DataError, match=r"--split is c; .* folders b, dev_b, pred_a, seg_train"):
        load_dataset(path, options=DataOptions(split="c"))


def test_a_class_may_be_called_like_a_split(place) -> None:
    data = load_dataset(place("car/1.png", "bus/2.png", "bullet train/3.png"))
    assert data.classes == ("bullet train", "bus", "car")


def test_rejects_splits_inside_of_classes(place) -> None:
    path = place("cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/4.png")
    with pytest.raises(DataError, match="has the splits test, train in its folder cat; move them"):
        load_dataset(path)
    assert len(load_dataset(path, options=DataOptions(split="none"))) == 4


def test_one_class_is_no_condition(place) -> None:
    data = load_dataset(place("my-images/photos/1.png", "my-images/photos/2.png"))
    assert (data.labels, data.classes) == (None, ())
    assert data.notes == ("all images are of one class, photos, so the model has no classes",)


def test_splits_must_agree_on_their_classes_even_if_one_has_a_single_class(place) -> None:
    with pytest.raises(DataError, match=r"only one of train and test in .* has the class dog"):
        load_splits(place("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"))


def test_ignores_what_operating_systems_add(place) -> None:
    data = load_dataset(place("cat/1.png", "dog/2.png", "@eaDir/cat/1.png", "__MACOSX/x/._1.png"))
    assert data.classes == ("cat", "dog")
    assert not any("passed over" in note for note in data.notes)


def test_names_of_members_are_normalised(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"./cat/1.png": png(), ".//dog/./2.png": png()})
    assert load_dataset(archive).classes == ("cat", "dog")
    assert member_name("a.zip", "./") == ""
    assert member_name("a.zip", "12:30.png") == "12:30.png"
    assert member_name("a.zip", "cat: grey/1.png") == "cat: grey/1.png"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("seg_train", "train"),
        ("asl-alphabet-test", "test"),
        ("val2017", "other"),
        ("ValidationImages", "other"),
        ("trainers", None),
        ("contest", None),
        ("train-test", None),
        ("cat", None),
    ],
)
def test_reads_the_role_of_a_folder_from_its_words(name: str, role: str | None) -> None:
    assert role_of(name) == role


def test_class_names_are_composed(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "data", {"cafe\u0301/1.png": png(), "b/2.png": png()})
    assert load_dataset(folder).classes == ("b", "café")


def test_reports_classes_that_differ_only_in_case_or_spaces(place) -> None:
    data = load_dataset(
        place("Cat/1.png", "cat/2.png", "dog/3.png", "dog /4.png", "dog /6.png", "cat/7.png")
    )
    assert data.notes[:1] == ("classes differ only in case or spaces: 'Cat', 'cat', 'dog'",)


def test_reports_a_folder_for_each_picture(place) -> None:
    data = load_dataset(place("a/1.png", "b/2.png", "c/3.png"))
    assert data.notes == (
        "3 classes for 3 images are hardly classes; --labels none trains without them",
    )


@pytest.mark.parametrize("masks", ["masks", "train_masks", "SegmentationMask", "annotations"])
def test_masks_beside_pictures_are_no_class(place, masks: str) -> None:
    path = place("pictures/1.jpg", "pictures/2.jpg", f"{masks}/1.png", f"{masks}/2.png")
    with pytest.raises(
        DataError, match=r"same names; to train on the first, pass --data .*pictures"
    ):
        load_dataset(path, options=DataOptions(split="auto"))
    classes = load_dataset(path, options=DataOptions(split="none")).classes
    assert set(classes) == {"pictures", masks}


def test_a_class_may_be_called_masks(place) -> None:
    assert load_dataset(place("hats/1.png", "masks/7.png")).classes == ("hats", "masks")
