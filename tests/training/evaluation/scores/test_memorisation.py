from dataclasses import replace

import numpy as np
import pytest

from mirage.training.data.dataset import Dataset, mirror
from mirage.training.evaluation.scores.memorisation import (
    Memorisation,
    appearance,
    neighbourhoods,
)

LINE = np.array([[0.0], [1.0], [10.0], [11.0], [30.0]])
GROUPS = np.array([0, 0, 1, 1, 2])


def random_data(count: int = 40, groups: int = 10) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return Dataset(images, None, (), "a" * 64, groups=np.arange(count) % groups)


def test_nearer_than_all_that_is_no_kin_is_memorised() -> None:
    shown = neighbourhoods(LINE, GROUPS)
    assert shown.first.tolist() == [100, 81, 81, 100, 361]
    assert shown.memorised(np.array([[5.0], [-9.0], [-11.0], [20.5], [49.0]])).tolist() == [
        *(True, True, False, True, False)
    ]


def test_real_images_are_measured_beside_other_groups_alone() -> None:
    shown = neighbourhoods(LINE, GROUPS)
    # 0 and 1 look at 10, whose nearest of a third group is 30; 10 and 11 at 1, with 30 for it, too
    assert shown.memorised(LINE, GROUPS).tolist() == [True, True, True, True, False]


def test_held_out_images_are_told_by_the_training_images_around_them() -> None:
    held_out = neighbourhoods(np.array([[4.0], [60.0]]), np.array([7, 8]), LINE, GROUPS)
    assert held_out.first.tolist() == [9, 900]
    assert held_out.memorised(np.array([[5.0], [8.0], [40.0]])).tolist() == [True, False, True]


def test_one_group_has_nothing_to_be_compared_with() -> None:
    alone = neighbourhoods(LINE, np.zeros(5, np.int64))
    assert not alone.memorised(LINE, np.zeros(5, np.int64)).any()


def test_copies_are_memorised_and_new_noise_is_not() -> None:
    data = random_data()
    judge = Memorisation(data)
    faint = np.random.default_rng(1).integers(-3, 4, data.images.shape)
    copies = np.clip(data.images + faint, 0, 255).astype(np.uint8)
    assert judge.compare(copies) == {"memorised_groups": 1.0}
    new = np.random.default_rng(2).integers(0, 256, (40, 8, 8, 3), np.uint8)
    share = judge.compare(new)["memorised_groups"]
    assert share == pytest.approx(judge.floor["memorised_groups"], abs=0.3)


def test_a_mirrored_copy_is_memorised_where_training_saw_it() -> None:
    data = random_data()
    copies = data.images[:, :, ::-1]
    assert Memorisation(mirror(data)).compare(copies)["memorised_groups"] == 1.0
    assert Memorisation(data).compare(copies)["memorised_groups"] < 0.8


def test_images_that_were_held_out_have_a_share_of_their_own() -> None:
    data = random_data(60)
    train = replace(data, images=data.images[:40], groups=data.groups[:40])
    test = replace(data, images=data.images[40:], groups=data.groups[40:] + 10)
    judge = Memorisation(train, test)
    assert judge.floor.keys() == {"memorised_groups", "memorised_unseen"}
    assert judge.compare(test.images)["memorised_unseen"] == 1.0
    assert judge.compare(train.images) == {"memorised_groups": 1.0, "memorised_unseen": 0.0}


def test_what_is_transparent_does_not_tell_images_apart() -> None:
    images = np.zeros((2, 8, 8, 4), np.uint8)
    images[1, ..., :3] = 200
    clear, other = appearance(images)
    np.testing.assert_array_equal(clear, other)
    assert appearance(np.zeros((3, 64, 48, 1), np.uint8)).shape == (3, 32 * 32)
