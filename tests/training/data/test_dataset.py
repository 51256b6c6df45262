import numpy as np
import pytest

from mirage.training.data.dataset import check_enough, mirror, subset
from mirage.training.errors import DataError
from mirage.training.tasks.randomness import Sampler
from tests.training.helpers.datasets import shapes_dataset

DATA = shapes_dataset()
BOTH = np.concatenate([DATA.images, DATA.images[:, :, ::-1]])
COUNT = len(DATA)


@pytest.mark.parametrize(
    "index",
    [
        0,
        COUNT + 3,
        -1,
        slice(None),
        slice(COUNT - 2, COUNT + 2),
        slice(None, None, -7),
        np.array([1, 2 * COUNT - 1, 1]),
        np.array([], np.int64),
        np.arange(2 * COUNT) % 5 == 0,
        (slice(COUNT, None), slice(2, 4)),
        (COUNT + 1, 0, 0),
    ],
)
def test_indexes_like_the_concatenated_array(index: object) -> None:
    images = mirror(DATA).images
    np.testing.assert_array_equal(images[index], BOTH[index])


def test_has_shape_and_content_hash_the_concatenated_array() -> None:
    images = mirror(DATA).images
    assert (images.shape, images.dtype, images.ndim) == (BOTH.shape, BOTH.dtype, BOTH.ndim)
    np.testing.assert_array_equal(np.asarray(images), BOTH)


@pytest.mark.parametrize("index", [2 * COUNT, -2 * COUNT - 1, np.array([0, 2 * COUNT])])
def test_rejects_indices_out_of_range(index: object) -> None:
    with pytest.raises(IndexError, match=f"is out of range for {2 * COUNT} images"):
        mirror(DATA).images[index]


def test_indexing_returns_a_writable_copy() -> None:
    images = mirror(DATA).images
    images[np.array([0])][:] = 7
    np.testing.assert_array_equal(images[0], BOTH[0])


def test_a_mirror_image_has_the_class_of_its_original() -> None:
    data = mirror(DATA)
    assert len(data) == 2 * COUNT
    np.testing.assert_array_equal(data.labels[COUNT:], DATA.labels)
    assert data.classes == DATA.classes


def test_mirroring_changes_the_fingerprint() -> None:
    data = mirror(DATA)
    assert data.fingerprint != DATA.fingerprint
    assert data.original is DATA
    assert DATA.original is DATA


def test_an_epoch_has_each_image_and_its_mirror_image_once() -> None:
    data = mirror(DATA)
    seen = Sampler(len(data), seed=0).indices(0, 2 * COUNT)
    assert sorted(seen % COUNT) == sorted([*range(COUNT)] * 2)


def test_rejects_fewer_images_than_one_batch() -> None:
    check_enough(DATA, COUNT)
    with pytest.raises(DataError, match=rf"has {COUNT} images, fewer than one batch of 256"):
        check_enough(DATA, 256)


def test_a_part_reads_as_the_chosen_images() -> None:
    chosen = np.array([5, 2, 2, 90])
    part = subset(DATA, chosen)
    np.testing.assert_array_equal(np.asarray(part.images), DATA.images[chosen])
    np.testing.assert_array_equal(part.images[1:, 2:4], DATA.images[chosen][1:, 2:4])
    np.testing.assert_array_equal(part.labels, DATA.labels[chosen])
    assert part.classes == DATA.classes
    assert part.images.nbytes == DATA.images[chosen].nbytes


def test_parts_are_other_data_and_can_be_mirrored() -> None:
    parts = [subset(DATA, np.array(chosen)) for chosen in ([0, 1], [1, 0])]
    assert len({DATA.fingerprint, *(part.fingerprint for part in parts)}) == 3
    both = mirror(parts[0]).images
    np.testing.assert_array_equal(both[3], DATA.images[1, :, ::-1])
