"""The architectures of the benchmark of upscalers, and what it makes of its times."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from benchmarks.upscale_speed import (
    ARCHITECTURES,
    BASE,
    PARTS,
    SCALE,
    Compact,
    Subject,
    make_picture,
    measure,
    parts,
    shipped,
    summary,
    untrained,
)


@pytest.fixture(scope="module")
def subjects() -> Iterator[dict[str, Subject]]:
    """The shipped model, and a small network of the other family."""
    bundle, ours = shipped()
    subjects = {BASE: ours, "small": untrained(bundle, 8, 2)}
    yield subjects
    for subject in subjects.values():
        subject.engine.close()


@pytest.mark.parametrize(
    ("name", "weights", "radius"),
    [("realesr-animevideov3", 621_424, 18), ("realesr-general-x4v3", 1_213_296, 34)],
)
def test_architectures_have_the_published_sizes(name: str, weights: int, radius: int) -> None:
    network = Compact(*ARCHITECTURES[name])
    assert sum(each.numel() for each in network.parameters()) == weights
    assert network.radius == radius


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", [BASE, "small"])
def test_each_part_makes_the_megapixels_that_it_counts(
    subjects: dict[str, Subject], name: str, part: str
) -> None:
    megapixels, run = parts(subjects[name], make_picture(50, 20))[part]
    made = run()
    image = Image.open(io.BytesIO(made)) if isinstance(made, bytes) else Image.fromarray(made[0])
    assert image.size == (50 * SCALE, 20 * SCALE)
    assert megapixels == image.width * image.height / 1e6


@pytest.mark.parametrize("name", [BASE, "small"])
def test_tiles_with_the_halo_of_a_network_do_not_change_a_byte(
    subjects: dict[str, Subject], name: str
) -> None:
    work = parts(subjects[name], make_picture(300, 40))
    assert work["tiled"][1]() == work["whole"][1]()


def test_all_parts_of_all_networks_are_timed_in_each_round(subjects: dict[str, Subject]) -> None:
    seconds = measure(subjects, make_picture(40, 30), rounds=2)
    assert list(seconds) == list(subjects)
    for times in seconds.values():
        assert {part: len(each) for part, each in times.items()} == dict.fromkeys(PARTS, 2)
        assert min(map(min, times.values())) > 0


def test_ratios_are_taken_within_a_round() -> None:
    """Between rounds the machine's speed drifts: here it halves."""
    seconds = {BASE: {"network": [1.0, 2.0, 4.0]}, "other": {"network": [3.0, 6.0, 8.0]}}
    assert summary(seconds) == {
        BASE: {"network_s": 2.0, "network_ratio": 1.0},
        "other": {"network_s": 6.0, "network_ratio": 3.0},
    }


def test_the_picture_has_details_of_all_sizes() -> None:
    picture = make_picture(64, 48)
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.uint8
    fine, coarse = (np.abs(np.diff(picture.astype(int)[::n], axis=0)).mean() for n in (1, 16))
    assert 2 < fine < coarse
