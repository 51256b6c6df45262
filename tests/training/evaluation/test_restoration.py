from functools import partial

import numpy as np
import pytest
from PIL import Image

from mirage.training.data.degradation import enlarge, reduce
from mirage.training.data.sources.pictures import Picture
from mirage.training.evaluation.restoration import comparison_sheet, score_restoration, table
from tests.training.drawings import drawing

PICTURES = [Picture(f"{k}.png", drawing(k, 64)) for k in range(4)]
bicubic = partial(enlarge, scale=2, filter=Image.Resampling.BICUBIC)
nearest = partial(enlarge, scale=2, filter=Image.Resampling.NEAREST)


def test_bicubic_has_no_gain_over_itself() -> None:
    card = score_restoration(bicubic, PICTURES, 2, "f")
    assert card.scores["model"] == card.scores["bicubic"]
    assert card.worst_gain == 0
    assert card.below_bicubic == 0
    assert card.pictures == 4


def test_the_original_pictures_are_perfect() -> None:
    known = {reduce(p.pixels, 2).tobytes(): p.pixels for p in PICTURES}
    card = score_restoration(lambda low: known[low.tobytes()], PICTURES, 2, "f")
    assert card.scores["model"]["psnr_y"] == 100
    assert card.scores["model"]["ssim_y"] == pytest.approx(1)
    assert card.scores["model"]["consistency"] == 0


def test_names_the_worst_picture_and_counts_those_below_bicubic() -> None:
    spoilt = reduce(PICTURES[2].pixels, 2).tobytes()

    def model(low: np.ndarray) -> np.ndarray:
        return nearest(low) if low.tobytes() == spoilt else bicubic(low)

    card = score_restoration(model, PICTURES, 2, "f")
    assert (card.worst, card.below_bicubic) == ("2.png", 1)
    assert card.worst_gain < 0
    assert any("worst of 4: 2.png" in line for line in table(card))


def test_uses_given_low_resolution() -> None:
    dark = Picture("dark", PICTURES[0].pixels, np.zeros((32, 32, 3), np.uint8))
    seen = []
    score_restoration(lambda low: (seen.append(int(low.max())), bicubic(low))[1], [dark], 2, "f")
    assert seen == [0]


def test_degrades_the_low_resolution_the_same_way_for_all_models() -> None:
    seen: list[bytes] = []

    def model(low: np.ndarray) -> np.ndarray:
        seen.append(low.tobytes())
        return bicubic(low)

    plain = score_restoration(model, PICTURES, 2, "f")
    card = score_restoration(model, PICTURES, 2, "f", ("jpeg",))
    comparison_sheet(model, PICTURES, "0.png", 2, ("jpeg",))
    assert (plain.degrade, card.degrade) == ((), ("jpeg",))
    assert not set(seen[:4]) & set(seen[4:8])
    assert seen[4:8] == seen[8:]
    assert card.scores["bicubic"] == card.scores["model"]
    assert card.scores["bicubic"]["psnr_y"] < plain.scores["bicubic"]["psnr_y"]


def test_scores_transparent_pictures_of_odd_sizes_on_white() -> None:
    odd = Picture("odd", drawing(1, 65, alpha=True))
    card = score_restoration(bicubic, [odd, odd], 2, "f")
    assert 10 < card.scores["model"]["psnr_y"] < 60


def test_the_sheet_shows_the_worst_first_with_four_views() -> None:
    sheet = comparison_sheet(bicubic, PICTURES, "3.png", 2)
    assert sheet.shape == (4 * 256, 4 * 256, 3)
    assert np.array_equal(sheet[:64, 768 : 768 + 64], PICTURES[3].pixels)
