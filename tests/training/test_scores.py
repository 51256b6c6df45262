import numpy as np
import pytest

from training.scores import agreement, coverage, frechet_distance


def normal(mean: float, std: float, seed: int, count: int = 20_000) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, std, (count, 4))


def test_agreement_is_a_share() -> None:
    assert agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 0])) == 0.75


def test_frechet_of_equal_features_is_zero() -> None:
    features = normal(0, 1, 0)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [(3.0, 1.0, 4 * 9.0), (0.0, 3.0, 4 * (3 - 1) ** 2), (1.0, 2.0, 4 * (1 + 1))],
)
def test_frechet_of_gaussians_is_the_closed_form(mean: float, std: float, expected: float) -> None:
    distance = frechet_distance(normal(0, 1, 0), normal(mean, std, 1))
    assert distance == pytest.approx(expected, rel=0.03)


def test_frechet_sees_correlation() -> None:
    rng = np.random.default_rng(0)
    free = rng.normal(size=(20_000, 2))
    tied = free @ np.linalg.cholesky(np.array([[1, 0.8], [0.8, 1]])).T
    # tr(I + C - 2 C^(1/2)) for the eigenvalues 1.8 and 0.2
    expected = sum(1 + v - 2 * v**0.5 for v in (1.8, 0.2))
    assert frechet_distance(free, tied) == pytest.approx(expected, rel=0.05)


def test_frechet_works_where_a_feature_is_always_zero() -> None:
    features = normal(0, 1, 0)
    features[:, 0] = 0
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)


def test_coverage_of_the_same_distribution_is_near_one_and_of_one_mode_near_zero() -> None:
    real, generated = normal(0, 1, 0, 1000), normal(0, 1, 1, 1000)
    assert coverage(real, generated) > 0.9
    assert coverage(real, np.zeros((1000, 4))) < 0.1


def test_coverage_counts_real_images_with_a_near_generated_one() -> None:
    real = np.array([[0.0], [1.0], [10.0], [11.0]])
    assert coverage(real, np.array([[0.1]]), k=1) == 0.25 + 0.25
    assert coverage(real, np.array([[5.5]]), k=1) == 0
