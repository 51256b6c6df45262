import numpy as np
import pytest

from mirage.training.scores import agreement, frechet_distance, kernel_distance, reverse_kl


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


def test_kernel_distance_of_equal_distributions_is_about_zero() -> None:
    distance = kernel_distance(normal(0, 1, 0, 2000), normal(0, 1, 1, 2000), 500, 20)
    assert distance == pytest.approx(0, abs=0.02)


def test_kernel_distance_of_points_is_the_closed_form() -> None:
    zeros, ones = np.zeros((8, 4)), np.ones((8, 4))
    # k(0, 0) = 1, k(1, 1) = (4 / 4 + 1)^3 = 8, k(0, 1) = 1
    assert kernel_distance(zeros, ones, 8, 3) == pytest.approx(1 + 8 - 2)


def test_kernel_distance_is_the_same_every_time() -> None:
    a, b = normal(0, 1, 0, 200), normal(1, 1, 1, 200)
    assert kernel_distance(a, b, 50, 5) == kernel_distance(a, b, 50, 5)


def test_reverse_kl_of_equally_many_modes_is_zero_and_of_one_the_logarithm() -> None:
    assert reverse_kl(np.arange(1000).repeat(3), 1000) == pytest.approx(0)
    assert reverse_kl(np.zeros(50, np.int64), 1000) == pytest.approx(np.log(1000))
    assert reverse_kl(np.array([0, 0, 1, 1]), 4) == pytest.approx(np.log(2))
