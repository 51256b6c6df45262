import numpy as np

from mirage.training.data.dataset import Dataset, mirror
from mirage.training.data.options import DataOptions
from mirage.training.data.preview import describe, sample_sheet


def dataset(images: np.ndarray, labels: list[int] | None = None, **more: object) -> Dataset:
    classes = () if labels is None else tuple(f"c{n}" for n in range(max(labels) + 1))
    numbers = None if labels is None else np.array(labels, np.int64)
    return Dataset(images, numbers, classes, "f" * 64, DataOptions(), **more)


def flat(*levels: int, channels: int = 1) -> np.ndarray:
    """One image of 4x4 for each level."""
    return np.full((len(levels), 4, 4, channels), 0, np.uint8) + np.array(levels, np.uint8).reshape(
        -1, 1, 1, 1
    )


def test_shows_one_class_per_column() -> None:
    data = dataset(flat(10, 10, 10, 20, 20, 30, 30, 30), [0, 0, 0, 1, 1, 2, 2, 2])
    sheet = sample_sheet(data, count=7)
    assert sheet[::4, ::4, 0].tolist() == [[10, 20, 30], [10, 20, 30]]


def test_shows_images_without_classes_in_a_square() -> None:
    sheet = sample_sheet(dataset(flat(*range(30))), count=16)
    assert sheet.shape == (16, 16, 1)
    assert len(np.unique(sheet)) == 16


def test_shows_fewer_images_when_they_are_large() -> None:
    sheet = sample_sheet(dataset(np.zeros((20, 1024, 1024, 3), np.uint8)))
    assert sheet.shape == (2048, 2048, 3)


def test_transparent_images_are_drawn_over_a_chequerboard() -> None:
    images = np.zeros((1, 16, 16, 4), np.uint8)
    images[:, :4] = 200, 0, 0, 255
    sheet = sample_sheet(dataset(images))
    assert sheet.shape == (16, 16, 3)
    assert sheet[0, 0].tolist() == [200, 0, 0]
    assert sheet[4, [0, 8], 0].tolist() == [102, 153]


def test_describes_the_data() -> None:
    data = dataset(flat(1, 2, 3, channels=3), [0, 1, 1], broken=2)
    assert describe(data) == [
        "images         3 of 4x4 RGB",
        "left out       2 for the reasons below",
        "classes        2: c0 1, c1 2",
        "warning        only 3 images: a generator learns no variety from so few, and evaluate "
        "needs at least 96; some hundred images of one kind are a start",
        "decoded        0.0 MB",
        f"fingerprint    {'f' * 64}",
    ]
    assert "mirrored       6 with their mirror images" in describe(mirror(data))


def test_lists_the_first_of_many_classes_and_their_range() -> None:
    labels = [*range(20), 0]
    (line,) = (
        line for line in describe(dataset(flat(*labels), labels)) if line.startswith("classes")
    )
    assert line.startswith("classes        20: c0 2, c1 1,")
    assert line.endswith("c11 1, … of 1 to 2 images")
