from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.training.publish.latent_directions import find_directions
from mirage.training.publish.model_card import direction_strips, sample_grid
from tests.training.helpers.snapshots import make_snapshot

H, W = 8, 12


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    return sheet[row * H : (row + 1) * H, column * W : (column + 1) * W]


@pytest.mark.parametrize(("num_classes", "label"), [(0, None), (3, 7 % 3), (12, 27 % 12)])
def test_the_samples_are_seeds_in_order_with_all_classes(
    tmp_path: Path, num_classes: int, label: int | None
) -> None:
    """Up to ten classes have columns of their own."""
    snapshot = make_snapshot(tmp_path, num_classes=num_classes)
    grid = sample_grid(snapshot)
    assert grid.shape == (10 * H, 10 * W)
    labels = None if label is None else np.array([label])
    expected = snapshot.generate(draw_latents(27, 0, 1, 6)[0], labels)[0, :, :, 0]
    np.testing.assert_array_equal(cell(grid, 2, 7), expected)


def test_a_strip_moves_each_seed_along_its_direction(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    directions = find_directions(snapshot.generator.latent_weight())
    strips = direction_strips(snapshot, directions)
    assert strips.shape == (6 * H, 3 * 7 * W)
    latents, labels = draw_latents(2, 0, 1, 6)[0], np.array([2])
    still = snapshot.generate(latents, labels)[0, :, :, 0]
    moved = latents - 3 * np.array(directions[4].vector, np.float32)
    np.testing.assert_array_equal(cell(strips, 4, 2 * 7 + 3), still)
    np.testing.assert_array_equal(
        cell(strips, 4, 2 * 7), snapshot.generate(moved, labels)[0, :, :, 0]
    )


def test_pictures_of_colours_keep_them(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path, channels=4, num_classes=0)
    directions = find_directions(snapshot.generator.latent_weight())
    assert sample_grid(snapshot).shape == (10 * H, 10 * W, 4)
    assert direction_strips(snapshot, directions[:1]).shape == (H, 3 * 7 * W, 4)


def test_large_images_are_shown_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = make_snapshot(tmp_path)
    whole = sample_grid(snapshot)
    monkeypatch.setattr("mirage.training.media.images.SHOWN_SIDE", 6)  # half of the longer side
    small = sample_grid(snapshot)
    assert small.shape == (10 * H // 2, 10 * W // 2)
    assert abs(int(small[0, 0]) - whole[:2, :2].mean()) <= 0.5
