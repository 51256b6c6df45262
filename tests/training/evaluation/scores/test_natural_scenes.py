import numpy as np
import pytest
import torch

from mirage.training.evaluation.scores.natural_scenes import (
    PATCH,
    _generalised_gaussian,
    natural_scene_distance,
    natural_scene_features,
)


def textures(seed: int, count: int = 12, blur: int = 1) -> list[np.ndarray]:
    """Noise in three grain sizes: lumas float [2 * PATCH, 4 * PATCH]."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        grain = (1, 2, 4)[number % 3] * blur
        small = rng.gamma(2, 30, (2 * PATCH // grain, 4 * PATCH // grain))
        made.append(np.kron(small, np.ones((grain, grain))))
    return made


def test_a_picture_has_36_features_for_each_whole_patch() -> None:
    assert natural_scene_features([np.zeros((PATCH + 5, 2 * PATCH + 90))]).shape == (2, 36)
    assert natural_scene_features([np.zeros((PATCH - 1, 500))]).shape == (0, 36)


def test_features_of_a_flat_picture_are_finite() -> None:
    assert np.isfinite(natural_scene_features([np.full((PATCH, PATCH), 128.0)])).all()


@pytest.mark.parametrize("shape", [1.0, 2.0])
def test_estimates_the_shape_of_a_known_distribution(shape: float) -> None:
    rng = np.random.default_rng(1)
    draws = rng.laplace(size=(1, 200_000)) if shape == 1 else rng.normal(size=(1, 200_000))
    found, variance = _generalised_gaussian(torch.from_numpy(draws))[0].tolist()
    assert found == pytest.approx(shape, rel=0.03)
    assert variance == pytest.approx(draws.var(), rel=0.01)


def test_similar_pictures_are_nearer_than_coarser_ones() -> None:
    real, others, coarse = (
        natural_scene_features(lumas) for lumas in (textures(0), textures(1), textures(2, blur=2))
    )
    near, far = natural_scene_distance(others, real), natural_scene_distance(coarse, real)
    assert near is not None
    assert far is not None
    assert 0 <= near < far / 4


def test_too_few_patches_give_none() -> None:
    few = natural_scene_features(textures(0, 3))
    assert natural_scene_distance(few, few) is None
