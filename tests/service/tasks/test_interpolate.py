"""Walks held against a model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirage.bundle.format.interface import generator_tensors
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import read_manifest
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateJob
from mirage.service.tasks.interpolate import count_frames, make_walk, segment
from mirage.service.tasks.requests import InterpolateRequest

X, Y = np.array([1, 0, 0], np.float32), np.array([0, 1, 0], np.float32)


@pytest.fixture(scope="module")
def toy(models_root: Path) -> Manifest:
    return read_manifest(models_root / "toy/1")


@pytest.fixture(scope="module")
def plain(models_root: Path) -> Manifest:
    return read_manifest(models_root / "plain/1")


def walk_of(manifest: Manifest, *points: dict[str, Any], **fields: Any) -> GenerateJob:
    request = InterpolateRequest.model_validate({"points": list(points), **fields})
    return make_walk(request, manifest, Settings(frames_per_request=20, megapixels_per_request=1))


def latent_of(seed: int, index: int = 0) -> np.ndarray:
    return draw_latents(seed, index, 1, 5)[0][0]


def labels_of(work: GenerateJob) -> list[int]:
    assert work.labels is not None
    return work.labels.tolist()


def test_a_segment_is_an_arc_of_equal_angles() -> None:
    arc = segment(X, Y, 3)
    angles = np.deg2rad([0, 30, 60])
    np.testing.assert_allclose(arc, np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1))
    assert arc.dtype == np.float32


def test_a_segment_begins_with_its_start_to_the_bit() -> None:
    for seed in range(20):
        start = latent_of(seed)
        for steps in (1, 3):
            arc = segment(start, latent_of(seed + 1), steps)
            assert len(arc) == steps
            np.testing.assert_array_equal(arc[0], start)


@pytest.mark.parametrize("end", [2 * X, -X, 0 * X, X + 1e-5 * Y])
def test_a_segment_without_a_plane_is_a_line(end: np.ndarray) -> None:
    np.testing.assert_allclose(segment(X, end, 2), [X, (X + end) / 2], atol=1e-7)


@pytest.mark.parametrize(("loop", "frames"), [(False, 7), (True, 9)])
def test_a_walk_has_its_points_and_ends_with_the_last_unless_it_loops(
    plain: Manifest, loop: bool, frames: int
) -> None:
    points = [{"seed": 7}, {"seed": 8, "index": 2}, {"latents": [0.5] * 5}]
    work = walk_of(plain, *points, steps=3, loop=loop)
    assert (work.count, count_frames(3, 3, loop), work.labels) == (frames, frames, None)
    np.testing.assert_array_equal(work.latents[0], latent_of(7))
    np.testing.assert_array_equal(work.latents[3], latent_of(8, 2))
    np.testing.assert_array_equal(work.latents[6], np.full(5, 0.5, np.float32))


def test_the_label_of_the_first_point_is_held(toy: Manifest) -> None:
    assert labels_of(walk_of(toy, {"seed": 7, "label": 3}, {"seed": 8}, steps=2)) == [3, 3, 3]
    assert labels_of(walk_of(toy, {"seed": 7, "label": "4"}, {"seed": 8}, steps=2)) == [4, 4, 4]
    drawn = draw_latents(7, 0, 1, 5, 10)[1]
    assert drawn is not None
    held = labels_of(walk_of(toy, {"seed": 7}, {"seed": 8, "label": 2}, steps=2))
    assert held == [int(drawn[0])] * 3


def test_labels_of_all_points_go_to_the_nearest_frames(toy: Manifest) -> None:
    points = [{"seed": 7, "label": 1}, {"seed": 8, "label": 2}]
    assert labels_of(walk_of(toy, *points, steps=4)) == [1, 1, 1, 2, 2]
    assert labels_of(walk_of(toy, *points, steps=3, loop=True)) == [1, 1, 2, 2, 2, 1]


def test_truncation_comes_last_and_directions_after_it(toy: Manifest) -> None:
    points = [{"seed": 7}, {"seed": 8}]
    whole = walk_of(toy, *points, steps=2)
    short = walk_of(toy, *points, steps=2, truncation=0.7)
    np.testing.assert_array_equal(short.latents, np.float32(0.7) * whole.latents)
    moved = walk_of(toy, *points, steps=2, truncation=0.7, directions={"1": -2})
    expected = short.latents.copy()
    expected[:, 1] -= 2
    np.testing.assert_array_equal(moved.latents, expected)


@pytest.mark.parametrize(
    ("points", "fields", "named"),
    [
        ([{}, {"seed": 1}], {}, "points[0].seed is absent, and so are latents"),
        ([{"seed": 1}, {"seed": 1, "latents": [0.0] * 5}], {}, "points[1].seed is 1; latents"),
        ([{"seed": 1}, {"index": 0, "latents": [0.0] * 5}], {}, "points[1].index is 0; latents"),
        ([{"seed": 1}, {"latents": [0.0]}], {}, "points[1].latents has 1 values; latent_dim is 5"),
        ([{"latents": [0.0] * 5}, {"seed": 1}], {}, "points[0].label is absent"),
        ([{"seed": 1, "label": 10}, {"seed": 1}], {}, "label is 10; class indices 0 … 9"),
        ([{"seed": 1}, {"seed": 2, "label": "x"}], {}, "label is 'x'"),
        (
            [{"seed": 1}, {"latents": [0.0] * 5}],
            {"truncation": 0.5},
            "truncation is 0.5; points of latents exclude it",
        ),
        ([{"seed": 1}, {"seed": 2}], {"directions": {"2": 1}}, "direction is 2; toy@1 has 2"),
    ],
)
def test_a_wrong_walk_is_named(
    toy: Manifest, points: list[dict[str, Any]], fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        walk_of(toy, *points, **fields)
    assert named in caught.value.detail
    assert caught.value.errors[0]["msg"] == caught.value.detail


def test_labels_on_an_unconditional_model_are_refused(plain: Manifest) -> None:
    with pytest.raises(InvalidValue, match=r"points\[1\]\.label is 3; plain has no classes"):
        walk_of(plain, {"seed": 1}, {"seed": 2, "label": 3})


def test_a_walk_has_a_limit_of_frames_and_of_pixels(toy: Manifest) -> None:
    assert walk_of(toy, {"seed": 1}, {"seed": 2}, steps=19).count == 20
    with pytest.raises(LimitExceeded, match="make 21 frames; at most 20 are allowed"):
        walk_of(toy, {"seed": 1}, {"seed": 2}, steps=20)
    image = toy.image.model_copy(update={"height": 8192})
    huge = toy.model_copy(update=generator_tensors(toy.latent_dim, toy.num_classes, image))
    with pytest.raises(LimitExceeded, match=r"frames is 20, which makes 2\.0 megapixels"):
        walk_of(huge, {"seed": 1}, {"seed": 2}, steps=19)
