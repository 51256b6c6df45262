"""The task `interpolate`: segments, labels and limits."""

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
from mirage.service.tasks.interpolate import build_interpolation, count_frames, segment
from mirage.service.tasks.requests import InterpolateRequest

X, Y = np.array([1, 0, 0], np.float32), np.array([0, 1, 0], np.float32)


@pytest.fixture(scope="module")
def toy(models_root: Path) -> Manifest:
    return read_manifest(models_root / "toy/1")


@pytest.fixture(scope="module")
def plain(models_root: Path) -> Manifest:
    return read_manifest(models_root / "plain/1")


def frames_of(manifest: Manifest, *points: dict[str, Any], **fields: Any) -> GenerateJob:
    request = InterpolateRequest.model_validate({"points": list(points), **fields})
    return build_interpolation(
        request, manifest, Settings(frames_per_request=20, megapixels_per_request=1)
    )


def latent_of(seed: int, index: int = 0) -> np.ndarray:
    return draw_latents(seed, index, 1, 5)[0][0]


def labels_of(job: GenerateJob) -> list[int]:
    assert job.labels is not None
    return job.labels.tolist()


def test_a_segment_is_an_arc_of_equal_angles() -> None:
    arc = segment(X, Y, 3)
    angles = np.deg2rad([0, 30, 60])
    np.testing.assert_allclose(arc, np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1))
    assert arc.dtype == np.float32


def test_a_segment_begins_exactly_with_its_start() -> None:
    for seed in range(20):
        start = latent_of(seed)
        for steps in (1, 3):
            arc = segment(start, latent_of(seed + 1), steps)
            assert len(arc) == steps
            np.testing.assert_array_equal(arc[0], start)


@pytest.mark.parametrize("end", [2 * X, -X, 0 * X, X + 1e-5 * Y])
def test_a_segment_between_parallel_vectors_is_a_line(end: np.ndarray) -> None:
    np.testing.assert_allclose(segment(X, end, 2), [X, (X + end) / 2], atol=1e-7)


@pytest.mark.parametrize(("loop", "frames"), [(False, 7), (True, 9)])
def test_the_frames_contain_the_points_and_the_last_one_unless_it_loops(
    plain: Manifest, loop: bool, frames: int
) -> None:
    points = [{"seed": 7}, {"seed": 8, "index": 2}, {"latents": [0.5] * 5}]
    job = frames_of(plain, *points, steps=3, loop=loop)
    assert (job.count, count_frames(3, 3, loop), job.labels) == (frames, frames, None)
    np.testing.assert_array_equal(job.latents[0], latent_of(7))
    np.testing.assert_array_equal(job.latents[3], latent_of(8, 2))
    np.testing.assert_array_equal(job.latents[6], np.full(5, 0.5, np.float32))


def test_all_frames_have_the_label_of_the_first_point(toy: Manifest) -> None:
    assert labels_of(frames_of(toy, {"seed": 7, "label": 3}, {"seed": 8}, steps=2)) == [3, 3, 3]
    assert labels_of(frames_of(toy, {"seed": 7, "label": "4"}, {"seed": 8}, steps=2)) == [4, 4, 4]
    drawn = draw_latents(7, 0, 1, 5, 10)[1]
    assert drawn is not None
    found = labels_of(frames_of(toy, {"seed": 7}, {"seed": 8, "label": 2}, steps=2))
    assert found == [int(drawn[0])] * 3


def test_frames_have_the_label_of_the_nearest_labelled_point(toy: Manifest) -> None:
    points = [{"seed": 7, "label": 1}, {"seed": 8, "label": 2}]
    assert labels_of(frames_of(toy, *points, steps=4)) == [1, 1, 1, 2, 2]
    assert labels_of(frames_of(toy, *points, steps=3, loop=True)) == [1, 1, 2, 2, 2, 1]


def test_truncation_is_applied_before_directions(toy: Manifest) -> None:
    points = [{"seed": 7}, {"seed": 8}]
    whole = frames_of(toy, *points, steps=2)
    short = frames_of(toy, *points, steps=2, truncation=0.7)
    np.testing.assert_array_equal(short.latents, np.float32(0.7) * whole.latents)
    moved = frames_of(toy, *points, steps=2, truncation=0.7, directions={"1": -2})
    expected = short.latents.copy()
    expected[:, 1] -= 2
    np.testing.assert_array_equal(moved.latents, expected)


def test_directions_of_a_point_move_that_point_alone(toy: Manifest) -> None:
    start = {"latents": [0.5, 0.0, -1.0, 0.25, 2.0], "label": 3}
    frames = frames_of(toy, start, start | {"directions": {"1": 2}}, steps=4)
    np.testing.assert_array_equal(frames.latents[0], np.float32(start["latents"]))
    np.testing.assert_array_equal(frames.latents[4], np.float32([0.5, 2.0, -1.0, 0.25, 2.0]))
    further = frames_of(toy, start, start | {"directions": {"1": 2}}, directions={"0": 1}, steps=4)
    np.testing.assert_array_equal(further.latents, frames.latents + np.float32([1, 0, 0, 0, 0]))


@pytest.mark.parametrize(
    ("points", "fields", "message"),
    [
        ([{}, {"seed": 1}], {}, "points[0].seed is absent; a point requires a seed or latents"),
        ([{"seed": 1}, {"seed": 1, "latents": [0.0] * 5}], {}, "points[1].seed is 1; it cannot"),
        ([{"seed": 1}, {"index": 0, "latents": [0.0] * 5}], {}, "points[1].index is 0; it cannot"),
        ([{"seed": 1}, {"latents": [0.0]}], {}, "points[1].latents has 1 values; latent_dim is 5"),
        ([{"latents": [0.0] * 5}, {"seed": 1}], {}, "points[0].label is absent"),
        ([{"seed": 1, "label": 10}, {"seed": 1}], {}, "label is 10; class indices 0 … 9"),
        ([{"seed": 1}, {"seed": 2, "label": "x"}], {}, "label is 'x'"),
        (
            [{"seed": 1}, {"latents": [0.0] * 5}],
            {"truncation": 0.5},
            "truncation is 0.5; it cannot be combined with points of latents",
        ),
        (
            [{"seed": 1}, {"seed": 2, "directions": {"0": 1}}],
            {"truncation": 0.5},
            "truncation is 0.5; it cannot be combined with directions of points",
        ),
        ([{"seed": 1}, {"seed": 2}], {"directions": {"2": 1}}, "direction is 2; toy@1 has 2"),
        ([{"seed": 1}, {"seed": 2, "directions": {"2": 1}}], {}, "direction is 2; toy@1 has 2"),
    ],
)
def test_an_invalid_interpolation_is_rejected(
    toy: Manifest, points: list[dict[str, Any]], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        frames_of(toy, *points, **fields)
    assert message in caught.value.detail
    assert caught.value.errors[0]["msg"] == caught.value.detail


def test_labels_for_an_unconditional_model_are_rejected(plain: Manifest) -> None:
    with pytest.raises(InvalidValue, match=r"points\[1\]\.label is 3; plain has no classes"):
        frames_of(plain, {"seed": 1}, {"seed": 2, "label": 3})


def test_frames_and_pixels_are_limited(toy: Manifest) -> None:
    assert frames_of(toy, {"seed": 1}, {"seed": 2}, steps=19).count == 20
    with pytest.raises(LimitExceeded, match="make 21 frames; at most 20 are allowed"):
        frames_of(toy, {"seed": 1}, {"seed": 2}, steps=20)
    image = toy.image.model_copy(update={"height": 8192})
    huge = toy.model_copy(update=generator_tensors(toy.latent_dim, toy.num_classes, image))
    with pytest.raises(LimitExceeded, match=r"frames is 20, which makes 2\.0 megapixels"):
        frames_of(huge, {"seed": 1}, {"seed": 2}, steps=19)
