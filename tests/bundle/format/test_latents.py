from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mirage.bundle.format.latents import draw_latents

# Drawn once with NumPy 2.4; an upgrade that changes them changes every image of every seed.
KNOWN = {
    (7, 0): ([-0.29333901, 1.7038306, 1.53919184, 0.63675386], 3),
    (7, 1): ([-0.59347034, 1.54782498, -0.50295222, -0.85280609], 4),
    (2**64 - 1, 2**64 - 1): ([0.67732358, 0.25658843, -0.50329232, -0.78927851], 5),
}


def formula(seed: int, index: int, latent_dim: int, num_classes: int) -> tuple[np.ndarray, int]:
    """The documented seed formula."""
    key = np.array([seed, index], dtype=np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    return rng.standard_normal(latent_dim, dtype=np.float32), int(rng.integers(num_classes))


@pytest.mark.parametrize(("seed", "index"), KNOWN)
def test_known_seeds_give_known_latents(seed: int, index: int) -> None:
    latents, labels = draw_latents(seed, index, 1, 4, 10)
    known_latent, known_label = KNOWN[seed, index]
    np.testing.assert_array_equal(latents, np.array([known_latent], np.float32))
    assert labels is not None
    assert labels.tolist() == [known_label]


@pytest.mark.parametrize("latent_dim", [1, 5, 64, 129])
@pytest.mark.parametrize("seed", [0, 7, 2**63, 2**64 - 1])
def test_every_row_follows_the_formula(seed: int, latent_dim: int) -> None:
    latents, labels = draw_latents(seed, 2**64 - 9, 9, latent_dim, 10)
    assert labels is not None
    for row in range(9):
        latent, label = formula(seed, 2**64 - 9 + row, latent_dim, 10)
        np.testing.assert_array_equal(latents[row], latent)
        assert labels[row] == label


def test_shapes_and_dtypes() -> None:
    latents, labels = draw_latents(1, 2, 3, 4, 10)
    assert labels is not None
    assert latents.shape == (3, 4)
    assert latents.dtype == np.float32
    assert labels.shape == (3,)
    assert labels.dtype == np.int64


def test_an_image_does_not_depend_on_its_batch() -> None:
    many, _ = draw_latents(7, 0, 40, 64)
    alone, _ = draw_latents(7, 17, 1, 64)
    np.testing.assert_array_equal(many[17:18], alone)


def test_latents_do_not_depend_on_drawing_labels() -> None:
    with_labels, _ = draw_latents(7, 0, 5, 64, 10)
    without, none = draw_latents(7, 0, 5, 64)
    assert none is None
    np.testing.assert_array_equal(with_labels, without)


@pytest.mark.parametrize(
    ("seed", "index", "count", "named"),
    [
        (-1, 0, 1, "seed is -1"),
        (2**64, 0, 1, "seed is 18446744073709551616"),
        (0, -1, 1, "index -1"),
        (0, 2**64 - 1, 2, "index 18446744073709551615 and count 2"),
        (0, 0, 0, "count is 0"),
    ],
)
def test_names_an_argument_out_of_range(seed: int, index: int, count: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        draw_latents(seed, index, count, 4)


def test_is_thread_safe() -> None:
    with ThreadPoolExecutor(4) as pool:
        drawn = pool.map(lambda seed: draw_latents(seed, 0, 300, 64, 10), range(8))
        for seed, (latents, labels) in enumerate(drawn):
            alone, own_labels = draw_latents(seed, 0, 300, 64, 10)
            np.testing.assert_array_equal(latents, alone)
            np.testing.assert_array_equal(labels, own_labels)
