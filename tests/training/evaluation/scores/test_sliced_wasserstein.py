from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.training.data.dataset import Dataset, fingerprint
from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.evaluation.scores.sliced_wasserstein import (
    SlicedWasserstein,
    over_white,
    pyramid,
    sliced_distances,
)
from tests.bundles import Toy

SIZES = Sizes(
    generated=40, reference=80, covered=20, kernel_subset=20, kernel_subsets=5, fit_images=240
)


def squares(count: int, seed: int, channels: int = 3, side: int = 32) -> np.ndarray:
    """uint8 [N, side, side, C]: squares of many colours, places and sizes on white."""
    rng = np.random.default_rng(seed)
    images = np.full((count, side, side, channels), 255, np.uint8)
    for image in images:
        top, left = rng.integers(0, side - 8, 2)
        size = rng.integers(4, 8)
        image[top : top + size, left : left + size, :3] = rng.integers(0, 256, 3)
    return images


def test_the_distance_of_equal_sets_is_zero() -> None:
    images = squares(50, seed=0)
    found = sliced_distances(images, images)
    assert found == {"swd_fine": 0, "swd_middle": 0, "swd_thumbnails": 0}


def test_images_of_the_same_distribution_score_like_the_floor() -> None:
    real = SlicedWasserstein(squares(200, seed=0), squares(200, seed=1))
    more = real.compare(squares(200, seed=2))
    for name, floor in real.floor.items():
        assert 0 < more[name] < 1.5 * floor


def test_thumbnails_detect_colours_and_patches_detect_details() -> None:
    images = squares(200, seed=0)
    real = SlicedWasserstein(images, squares(200, seed=1))
    noisy = images ^ np.random.default_rng(0).integers(0, 16, images.shape, np.uint8)
    assert real.compare(images // 2)["swd_thumbnails"] > 5 * real.floor["swd_thumbnails"]
    found = real.compare(noisy)
    assert found["swd_fine"] > 3 * real.floor["swd_fine"]
    assert found["swd_thumbnails"] < 3 * real.floor["swd_thumbnails"]


def test_scores_are_deterministic() -> None:
    a, b = squares(50, seed=0), squares(50, seed=1)
    assert sliced_distances(a, b) == sliced_distances(a, b)


def test_transparent_pixels_are_white() -> None:
    images = squares(4, seed=0, channels=4)
    images[..., 3] = np.where((images[..., :3] == 255).all(-1), 0, 255)
    hidden = images.copy()
    hidden[..., :3][images[..., 3] == 0] = 7
    assert torch.equal(over_white(hidden), over_white(images))
    torch.testing.assert_close(over_white(images), over_white(images[..., :3]))


@pytest.mark.parametrize(("side", "levels"), [(32, 2), (14, 2), (12, 1), (4, 0)])
def test_the_pyramid_ends_when_patches_do_not_fit(side: int, levels: int) -> None:
    assert len(pyramid(torch.zeros(1, 3, side, side))) == levels


class Columns:
    """Features that anyone can check."""

    name = "means of columns"
    sha256 = "c" * 64

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        return images.mean(1)[:, 8:20:3, 0].astype(np.float32), None


def evaluate(tmp_path: Path, channels: int) -> dict:
    images = squares(120, seed=0, channels=4, side=28)[..., :channels]
    data = Dataset(images, None, (), fingerprint(images, None, ()))
    model = Toy(labels=(), height=28, width=28, channels=channels).model().SerializeToString()
    evaluator = Evaluator(data, sizes=SIZES, network=Columns(), cache=tmp_path)
    return evaluator.score(model).model_dump()


def test_scores_colour_images_with_a_floor(tmp_path: Path) -> None:
    card = evaluate(tmp_path, channels=3)
    for name in ("swd_fine", "swd_middle", "swd_thumbnails"):
        score = card["scores"][name]
        assert score["n"] == SIZES.generated
        assert score["value"] > score["floor"] > 0
        assert card["collapsed"][name] > score["floor"]


def test_grey_images_have_no_sliced_distances(tmp_path: Path) -> None:
    scores = evaluate(tmp_path, channels=1)["scores"]
    assert not any(name.startswith(("swd", "translucent")) for name in scores)


def test_scores_translucency_with_a_floor(tmp_path: Path) -> None:
    scores = evaluate(tmp_path, channels=4)["scores"]
    assert scores["translucent"]["floor"] == 0
    assert 0 <= scores["translucent"]["value"] <= 1
    assert "translucent" not in evaluate(tmp_path, channels=3)["scores"]
