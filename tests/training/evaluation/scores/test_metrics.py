import numpy as np
import pytest

from mirage.training.evaluation.scores.metrics import (
    agreement,
    find_nearest,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    memorised_share,
    nearest,
    radii,
    reverse_kl,
    squared_distances,
    translucent_share,
)


def test_counts_translucent_pixels() -> None:
    images = np.zeros((1, 1, 6, 4), np.uint8)
    images[0, 0, :, 3] = [0, 5, 6, 249, 250, 255]
    assert translucent_share(images) == 2 / 6


def normal(seed: int, count: int = 1000) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)


def test_the_same_distribution_scores_high_everywhere() -> None:
    scores = manifold_scores(normal(0), normal(1))
    assert min(scores[name] for name in ("precision", "recall", "coverage")) > 0.9
    assert scores["density"] == pytest.approx(1, abs=0.1)


def test_one_mode_has_precision_but_no_coverage() -> None:
    scores = manifold_scores(normal(0), normal(0)[:1].repeat(1000, axis=0))
    assert scores["precision"] == 1
    assert scores["recall"] == 0
    assert scores["coverage"] < 0.1


def test_distant_features_score_zero() -> None:
    scores = manifold_scores(normal(0), normal(1) + 100)
    assert scores == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_counts_balls_with_features() -> None:
    real = np.array([[0.0], [1.0], [10.0], [11.0]])
    generated = np.array([[0.1], [0.3]])
    scores = manifold_scores(real, generated, k=1)
    assert scores == {"precision": 1, "recall": 0.25, "density": 2, "coverage": 0.5}


def test_the_radius_reaches_to_the_kth_neighbour() -> None:
    assert radii(np.array([[0.0], [1.0], [3.0]]), 1).tolist() == [1, 1, 4]
    assert radii(np.array([[0.0], [1.0], [3.0]]), 2).tolist() == [9, 4, 9]


def test_finds_the_nearest_image_and_its_relative_distance() -> None:
    training = np.array([[0.0], [1.0], [10.0], [14.0]])
    nearness, indices = nearest(np.array([[0.5], [12.0], [14.0]]), training)
    np.testing.assert_allclose(nearness, [0.25, 0.25, 0])
    assert indices.tolist() == [0, 2, 3]


def test_distinguishes_copies_from_new_images() -> None:
    training = normal(0, 2000)
    unseen, _ = nearest(normal(1), training)
    new, _ = nearest(normal(2), training)
    copies, _ = nearest(training[:500] + np.float32(1e-3), training)
    assert memorised_share(new, unseen) < 0.03
    assert memorised_share(copies, unseen) > 0.97


def test_duplicate_training_images_do_not_divide_by_zero() -> None:
    training = np.array([[0.0], [0.0], [5.0], [7.0]])
    nearness, _ = nearest(np.array([[0.0], [5.0]]), training)
    assert nearness.tolist() == [0, 0]


def test_distances_are_squared_and_never_negative() -> None:
    features = normal(0)
    distances = squared_distances(features, features)
    assert distances.min() >= 0
    assert squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).item() == 25


def normal_float64(mean: float, std: float, seed: int, count: int = 20_000) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, std, (count, 4))


def test_agreement_is_a_share() -> None:
    assert agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 0])) == 0.75


def test_frechet_of_equal_features_is_zero() -> None:
    features = normal_float64(0, 1, 0)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [(3.0, 1.0, 4 * 9.0), (0.0, 3.0, 4 * (3 - 1) ** 2), (1.0, 2.0, 4 * (1 + 1))],
)
def test_frechet_of_gaussians_is_the_closed_form(mean: float, std: float, expected: float) -> None:
    distance = frechet_distance(normal_float64(0, 1, 0), normal_float64(mean, std, 1))
    assert distance == pytest.approx(expected, rel=0.03)


def test_frechet_depends_on_correlation() -> None:
    rng = np.random.default_rng(0)
    free = rng.normal(size=(20_000, 2))
    tied = free @ np.linalg.cholesky(np.array([[1, 0.8], [0.8, 1]])).T
    # tr(I + C - 2 C^(1/2)) for the eigenvalues 1.8 and 0.2
    expected = sum(1 + v - 2 * v**0.5 for v in (1.8, 0.2))
    assert frechet_distance(free, tied) == pytest.approx(expected, rel=0.05)


def test_frechet_accepts_constant_features() -> None:
    features = normal_float64(0, 1, 0)
    features[:, 0] = 0
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_of_equal_distributions_is_about_zero() -> None:
    distance = kernel_distance(
        normal_float64(0, 1, 0, 2000), normal_float64(0, 1, 1, 2000), 500, 20
    )
    assert distance == pytest.approx(0, abs=0.02)


def test_kernel_distance_of_points_is_the_closed_form() -> None:
    zeros, ones = np.zeros((8, 4)), np.ones((8, 4))
    # k(0, 0) = 1, k(1, 1) = (4 / 4 + 1)^3 = 8, k(0, 1) = 1
    assert kernel_distance(zeros, ones, 8, 3) == pytest.approx(1 + 8 - 2)


def test_kernel_distance_is_deterministic() -> None:
    a, b = normal_float64(0, 1, 0, 200), normal_float64(1, 1, 1, 200)
    assert kernel_distance(a, b, 50, 5) == kernel_distance(a, b, 50, 5)


def test_reverse_kl_of_equally_many_modes_is_zero_and_of_one_the_logarithm() -> None:
    assert reverse_kl(np.arange(1000).repeat(3), 1000) == pytest.approx(0)
    assert reverse_kl(np.zeros(50, np.int64), 1000) == pytest.approx(np.log(1000))
    assert reverse_kl(np.array([0, 0, 1, 1]), 4) == pytest.approx(np.log(2))


def normal_around(seed: int, count: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, 4)).astype(np.float32)


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_finds_the_same_as_a_full_comparison(mean: float) -> None:
    features, among = normal_around(0, 300, mean), normal_around(1, 500, mean)
    distances, indices = find_nearest(features, among, 3)
    everything = np.square(features[:, None].astype(np.float64) - among).sum(2)
    np.testing.assert_array_equal(indices, everything.argsort(axis=1)[:, :3])
    np.testing.assert_allclose(distances, np.sort(everything, axis=1)[:, :3], rtol=1e-12)


def test_a_feature_among_them_is_at_distance_zero() -> None:
    among = normal_around(0, 300)
    distances, indices = find_nearest(among, among, 1)
    assert not distances.any()
    np.testing.assert_array_equal(indices[:, 0], np.arange(300))


def test_ties_are_ordered_by_index() -> None:
    _, indices = find_nearest(np.zeros((1, 2)), np.zeros((3, 2)), 3)
    assert indices.tolist() == [[0, 1, 2]]
