import numpy as np
import pytest

from mirage.training.search import find_nearest


def normal(seed: int, count: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, 4)).astype(np.float32)


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_finds_what_comparing_everything_finds(mean: float) -> None:
    features, among = normal(0, 300, mean), normal(1, 500, mean)
    distances, indices = find_nearest(features, among, 3)
    everything = np.square(features[:, None].astype(np.float64) - among).sum(2)
    np.testing.assert_array_equal(indices, everything.argsort(axis=1)[:, :3])
    np.testing.assert_allclose(distances, np.sort(everything, axis=1)[:, :3], rtol=1e-12)


def test_a_feature_among_them_is_at_distance_zero() -> None:
    among = normal(0, 300)
    distances, indices = find_nearest(among, among, 1)
    assert not distances.any()
    np.testing.assert_array_equal(indices[:, 0], np.arange(300))


def test_of_equals_the_first_stands_first() -> None:
    _, indices = find_nearest(np.zeros((1, 2)), np.zeros((3, 2)), 3)
    assert indices.tolist() == [[0, 1, 2]]
