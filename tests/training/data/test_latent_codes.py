import numpy as np

from mirage.training.data.latent_codes import gaussianised, latent_codes, principal_components


def shapes(count: int, side: int, channels: int = 1) -> np.ndarray:
    """uint8 [N, H, W, C]: bright squares of various sizes and positions."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, side, side, channels), np.uint8)
    for image in images:
        top, left, size = (
            rng.integers(0, side - 2),
            rng.integers(0, side - 2),
            rng.integers(2, side),
        )
        image[top : top + size, left : left + size] = rng.integers(64, 256, channels)
    return images


def test_components_are_sorted_by_variance_with_fixed_signs() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, 3)) @ np.diag([1.0, 5.0, 3.0])
    scores = principal_components(vectors, 2)
    for column, source in enumerate((1, 2)):
        assert np.corrcoef(scores[:, column], vectors[:, source])[0, 1] > 0.99
    np.testing.assert_allclose(principal_components(vectors[::-1], 2)[::-1], scores)


def test_drops_directions_without_variance() -> None:
    vectors = np.zeros((10, 4))
    vectors[:, 2] = np.arange(10)
    assert principal_components(vectors, 4).shape == (10, 1)
    assert principal_components(np.zeros((10, 4)), 4).shape == (10, 0)


def test_ranks_map_to_normal_quantiles() -> None:
    values = np.array([[30.0], [10.0], [20.0]])
    np.testing.assert_allclose(gaussianised(values)[:, 0], [0.967422, -0.967422, 0], atol=1e-6)


def test_codes_are_standard_normal_and_distinct() -> None:
    images = shapes(96, side=32, channels=3)
    codes = latent_codes(images, 8, "straight", seed=0)
    assert (codes.shape, codes.dtype) == ((96, 8), np.float32)
    assert np.abs(codes.mean(0)).max() < 1e-6
    assert np.abs(codes.std(0) - 1).max() < 0.05
    assert len(np.unique(codes, axis=0)) == 96


def test_similar_images_have_similar_codes() -> None:
    images = shapes(96, side=16)
    images[1] = images[0]
    images[1, 0, 0] ^= 1
    codes = latent_codes(images, 4, "straight", seed=0)
    distances = np.linalg.norm(codes - codes[0], axis=1)
    assert distances[1:].argmin() == 0


def test_coordinates_beyond_the_components_are_seeded_noise() -> None:
    images = shapes(96, side=4)
    codes = latent_codes(images, 40, "straight", seed=0)
    assert (codes.std(0) > 0.5).all()
    assert np.array_equal(codes, latent_codes(images, 40, "straight", seed=0))
    assert not np.array_equal(codes, latent_codes(images, 40, "straight", seed=1))


def test_invisible_colours_do_not_matter_on_white() -> None:
    images = shapes(24, side=8, channels=4)
    images[12:, ..., 3] = 0
    other = images.copy()
    other[12:, ..., :3] = 77
    codes = [latent_codes(shown, 4, "on-white", seed=0) for shown in (images, other)]
    assert np.array_equal(*codes)
