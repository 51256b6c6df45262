import numpy as np
import pytest

from mirage.training.errors import DataError
from mirage.training.evaluation.scores.image_quality import gmsd, ssim
from mirage.training.optim.fidelity import luma
from tests.training.drawings import drawing


@pytest.fixture
def picture() -> np.ndarray:
    return luma(drawing(2, 64))


def noisy(picture: np.ndarray, by: float) -> np.ndarray:
    return picture + np.random.default_rng(0).normal(0, by, picture.shape)


def test_equal_pictures_have_the_best_score(picture: np.ndarray) -> None:
    assert ssim(picture, picture) == pytest.approx(1)
    assert gmsd(picture, picture) == pytest.approx(0)


def test_more_noise_is_worse(picture: np.ndarray) -> None:
    little, much = noisy(picture, 3), noisy(picture, 20)
    assert 1 > ssim(picture, little) > ssim(picture, much) > 0
    assert 0 < gmsd(picture, little) < gmsd(picture, much)


def test_both_are_symmetric(picture: np.ndarray) -> None:
    other = noisy(picture, 9)
    assert ssim(picture, other) == pytest.approx(ssim(other, picture))
    assert gmsd(picture, other) == pytest.approx(gmsd(other, picture))


def test_ssim_of_flat_pictures_is_the_luminance_term() -> None:
    dark, bright = np.full((16, 16), 50.0), np.full((16, 16), 100.0)
    c1 = 6.5025
    assert ssim(dark, bright) == pytest.approx((2 * 5000 + c1) / (2500 + 10000 + c1))


def test_rejects_a_picture_smaller_than_the_window() -> None:
    with pytest.raises(DataError, match="12x5"):
        ssim(np.zeros((5, 12)), np.zeros((5, 12)))
