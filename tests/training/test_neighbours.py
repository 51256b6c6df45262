import numpy as np
import pytest

from mirage.training.neighbours import (
    manifold_scores,
    memorised_share,
    nearest,
    radii,
    squared_distances,
)


def normal(seed: int, count: int = 1000) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


def test_the_same_distribution_scores_high_everywhere() -> None:
    scores = manifold_scores(normal(0), normal(1))
    assert min(scores[name] for name in ("precision", "recall", "coverage")) > 0.9
    assert scores["density"] == pytest.approx(1, abs=0.1)


def test_one_mode_looks_real_and_covers_nothing() -> None:
    scores = manifold_scores(normal(0), normal(0)[:1].repeat(1000, axis=0))
    assert scores["precision"] == 1
    assert scores["recall"] == 0
    assert scores["coverage"] < 0.1


def test_what_is_far_from_the_data_scores_zero() -> None:
    scores = manifold_scores(normal(0), normal(1) + 100)
    assert scores == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_counts_the_balls_that_hold_something() -> None:
    real = np.array([[0.0], [1.0], [10.0], [11.0]])
    generated = np.array([[0.1], [0.3]])
    scores = manifold_scores(real, generated, k=1)
    assert scores == {"precision": 1, "recall": 0.25, "density": 2, "coverage": 0.5}


def test_the_radius_reaches_to_the_kth_neighbour() -> None:
    assert radii(np.array([[0.0], [1.0], [3.0]]), 1).tolist() == [1, 1, 4]
    assert radii(np.array([[0.0], [1.0], [3.0]]), 2).tolist() == [9, 4, 9]


def test_finds_the_nearest_and_how_near_it_is_for_its_surroundings() -> None:
    training = np.array([[0.0], [1.0], [10.0], [14.0]])
    nearness, indices = nearest(np.array([[0.5], [12.0], [14.0]]), training)
    np.testing.assert_allclose(nearness, [0.25, 0.25, 0])
    assert indices.tolist() == [0, 2, 3]


def test_copies_are_told_from_new_images() -> None:
    training = normal(0, 2000)
    unseen, _ = nearest(normal(1), training)
    new, _ = nearest(normal(2), training)
    copies, _ = nearest(training[:500] + np.float32(1e-3), training)
    assert memorised_share(new, unseen) < 0.03
    assert memorised_share(copies, unseen) > 0.97


def test_a_training_image_that_occurs_twice_is_no_division_by_zero() -> None:
    training = np.array([[0.0], [0.0], [5.0], [7.0]])
    nearness, _ = nearest(np.array([[0.0], [5.0]]), training)
    assert nearness.tolist() == [0, 0]


def test_distances_are_squared_and_never_negative() -> None:
    features = normal(0)
    distances = squared_distances(features, features)
    assert distances.min() >= 0
    assert squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).item() == 25
