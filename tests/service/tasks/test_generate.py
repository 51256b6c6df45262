"""The task `generate`: directions, latents, labels and limits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import load_bundle
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateInput, GenerateJob, build_job
from mirage.service.tasks.requests import GenerateRequest
from tests.bundles import Toy
from tests.service.helpers.requests import OCTETS, pixels, post, problem

LATENTS = draw_latents(7, 0, 3, 5)[0]


@pytest.mark.parametrize("directions", [None, {}, {"0": 0}, {"0": 0.0, "1": -0.0}])
def test_zero_amounts_change_nothing(client: TestClient, directions: object) -> None:
    unmoved = post(client, seed=7, labels=3)
    assert post(client, seed=7, labels=3, directions=directions).content == unmoved.content


def test_the_image_is_that_of_the_moved_latents(client: TestClient) -> None:
    latents = np.float32(0.5) * LATENTS[:1]
    latents[:, :2] += np.array([1.5, -2], np.float32)
    expected = Toy().images(latents, np.array([3]))[0, :, :, 0]
    fields = {"labels": 3, "directions": {"1": -2, "0": 1.5}}
    np.testing.assert_array_equal(pixels(post(client, seed=7, truncation=0.5, **fields)), expected)


def test_posted_latents_are_moved_by_body_and_by_query(client: TestClient) -> None:
    by_seed = post(client, seed=7, labels=3, directions={"0": 1.5, "1": -2}).content
    rows = LATENTS[:1].astype(float).tolist()
    by_body = post(client, latents=rows, labels=3, directions={"0": 1.5, "1": -2}).content
    by_query = client.post(
        "/generate?labels=3&directions=1:-2,0:1.5",
        content=LATENTS[:1].tobytes(),
        headers={"content-type": OCTETS},
    ).content
    assert by_seed == by_body == by_query


def test_the_error_of_an_unknown_direction_lists_the_allowed_ones(client: TestClient) -> None:
    found = problem(post(client, directions={"2": 1}), 422, "invalid-value")
    assert found["detail"] == "direction is 2; toy@1 has 2, so 0 … 1 are allowed"
    assert found["errors"][0]["loc"] == ["directions", "2"]


@pytest.mark.parametrize(
    "directions", [{"0": 10.5}, {"0": "1"}, {"0": True}, {"-1": 1}, {"00": 1}, {"x": 1}, [1], 1]
)
def test_an_invalid_amount_or_index_is_rejected(client: TestClient, directions: object) -> None:
    found = problem(post(client, directions=directions), 422, "invalid-value")
    assert "directions" in found["detail"]


@pytest.mark.parametrize("text", ["0", "0:", "0:x", "0:1,", "0:1,0:2", "0:1e999", "9:1", ":1"])
def test_an_invalid_query_is_rejected(client: TestClient, text: str) -> None:
    response = client.post(
        f"/generate?labels=3&directions={text}",
        content=LATENTS[:1].tobytes(),
        headers={"content-type": OCTETS},
    )
    assert "direction" in problem(response, 422, "invalid-value")["detail"]


ZEROS = [[0.0] * 5]


@pytest.fixture(scope="module")
def toy(models_root: Path) -> Manifest:
    return load_bundle(models_root / "toy/1").manifest


@pytest.fixture(scope="module")
def plain(models_root: Path) -> Manifest:
    return load_bundle(models_root / "plain/1").manifest


@pytest.fixture(scope="module")
def rgb(models_root: Path) -> Manifest:
    """A model with the classes `3`, `cat` and `a b`."""
    return load_bundle(models_root / "rgb/1").manifest


def job_of(
    manifest: Manifest, array: Any = None, *, text: bool = False, **fields: Any
) -> GenerateJob:
    given = GenerateInput(GenerateRequest(**fields), array, text)
    return build_job(given, manifest, Settings(images_per_request=8))


def labels_of(job: GenerateJob) -> list[int] | None:
    return None if job.labels is None else job.labels.tolist()


def test_latents_and_labels_are_drawn_from_the_seed(toy: Manifest) -> None:
    job = job_of(toy, seed=7, count=3, index=2)
    latents, labels = draw_latents(7, 2, 3, 5, 10)
    assert np.array_equal(job.latents, latents)
    assert labels is not None
    assert labels_of(job) == labels.tolist()
    assert (job.seed, job.index, job.count) == (7, 2, 3)


def test_given_labels_do_not_change_the_latents(toy: Manifest) -> None:
    drawn, given = job_of(toy, seed=7), job_of(toy, seed=7, labels=3)
    assert np.array_equal(drawn.latents, given.latents)
    assert labels_of(given) == [3]


def test_a_drawn_seed_is_exact_in_javascript_and_reproduces_the_latents(toy: Manifest) -> None:
    job = job_of(toy)
    assert job.seed is not None
    assert 0 <= job.seed < 2**53
    assert np.array_equal(job.latents, job_of(toy, seed=job.seed).latents)


def test_truncation_scales_in_float32(toy: Manifest) -> None:
    whole, half = job_of(toy, seed=7), job_of(toy, seed=7, truncation=0.3)
    assert half.latents.dtype == np.float32
    assert np.array_equal(half.latents, np.float32(0.3) * whole.latents)
    assert np.array_equal(job_of(toy, seed=7, truncation=1).latents, whole.latents)


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"labels": "cat", "count": 2}, [1, 1]),
        ({"labels": 2}, [2]),
        ({"labels": ["a b", 0, "3"]}, [2, 0, 0]),
        ({"labels": [1], "count": 1}, [1]),
    ],
)
def test_integers_are_indices_and_strings_are_names(
    rgb: Manifest, fields: dict[str, Any], labels: list[int]
) -> None:
    assert labels_of(job_of(rgb, **fields)) == labels


def test_text_is_a_name_or_else_an_index(rgb: Manifest) -> None:
    latents = np.zeros((3, 5), np.float32)
    assert labels_of(job_of(rgb, latents, text=True, labels=["3", "2", "cat"])) == [0, 2, 1]


def test_posted_latents_have_no_seed(plain: Manifest) -> None:
    job = job_of(plain, latents=[[1.0] * 5, [2.0] * 5], index=4)
    assert (job.seed, job.index, job.count, job.labels) == (None, 4, 2, None)
    assert job.latents.dtype == np.float32


def test_raw_bytes_are_split_into_rows(plain: Manifest) -> None:
    assert job_of(plain, np.arange(10, dtype=np.float32)).latents.shape == (2, 5)


def test_the_largest_index_is_allowed(toy: Manifest) -> None:
    assert job_of(toy, seed=2**64 - 1, index=2**64 - 2, count=2).count == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"index": 2**64 - 1, "count": 2}, "index is 18446744073709551615"),
        ({"labels": 10}, "label is 10; class indices 0 … 9 are allowed"),
        ({"labels": -1}, "label is -1"),
        ({"labels": "ten"}, "label is 'ten'"),
        ({"labels": "007"}, "label is '007'"),
        ({"labels": []}, "there are 0 labels"),
        ({"labels": [1, 2], "count": 3}, "there are 2 labels; a single one or 3 are allowed"),
        ({"latents": ZEROS}, "labels are absent"),
        ({"latents": ZEROS, "labels": [1, 2]}, "there are 2 labels; a single one or 1"),
        ({"latents": [[0.0] * 4], "labels": 1}, r"latents\[0\] has 4 values; latent_dim is 5"),
        (
            {"latents": ZEROS, "labels": 1, "seed": 3},
            "seed is 3; it cannot be combined with latents",
        ),
        (
            {"latents": ZEROS, "labels": 1, "count": 1},
            "count is 1; it cannot be combined with latents",
        ),
        (
            {"latents": ZEROS, "labels": 1, "truncation": 1.0},
            "truncation is 1.0; it cannot be combined",
        ),
    ],
)
def test_an_input_that_does_not_fit_the_model_is_rejected(
    toy: Manifest, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        job_of(toy, **fields)


def test_labels_for_a_model_without_classes_are_rejected(plain: Manifest) -> None:
    with pytest.raises(InvalidValue, match="plain has no classes"):
        job_of(plain, labels=0)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 5)), r"shape \[0, 5\]"),
        (np.zeros(0), r"shape \[0, 5\]"),
        (np.zeros((2, 4)), r"shape \[2, 4\]"),
        (np.zeros(7), r"shape \[7\]"),
        (np.full((2, 5), np.nan), r"latents\[0\]\[0\] is nan"),
        (np.full((2, 5), np.inf), r"latents\[0\]\[0\] is inf"),
        (np.full((2, 5), -100.5), "within ±100 are allowed"),
    ],
)
def test_an_array_that_does_not_fit_the_model_is_rejected(
    plain: Manifest, array: np.ndarray, message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        job_of(plain, array.astype(np.float32))


def test_too_many_images_are_rejected(toy: Manifest) -> None:
    for fields in ({"count": 9}, {"count": 10**30}, {"labels": [1] * 9}):
        with pytest.raises(LimitExceeded, match="at most 8 images per request"):
            job_of(toy, **fields)


def test_too_many_pixels_are_rejected(toy: Manifest) -> None:
    given = GenerateInput(GenerateRequest(count=11))
    with pytest.raises(LimitExceeded, match=r"at most 0\.001 per request"):
        build_job(given, toy, Settings(megapixels_per_request=0.001))
