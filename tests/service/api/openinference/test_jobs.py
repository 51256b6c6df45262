"""A request held against a model."""

import json
from typing import Any

import numpy as np
import pytest

from mirage.bundle.format.manifest import Manifest, parse_manifest
from mirage.service.api.openinference.codec import parse_request
from mirage.service.api.openinference.jobs import build_job, wants_binary
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.settings import Settings
from tests.service.api.openinference.requests import LABELS, LATENTS, labels, latents, wanted


@pytest.fixture(scope="module")
def manifest(models_root: Any) -> Manifest:
    return parse_manifest((models_root / "toy" / "1" / "manifest.json").read_bytes())


def work_of(fields: Any, manifest: Manifest, **settings: Any) -> Any:
    parsed = parse_request(json.dumps(fields).encode(), None, Settings())
    return build_job(parsed, manifest, Settings(**settings))


def test_tensors_become_latents_and_labels(manifest: Manifest) -> None:
    work = work_of(wanted(), manifest)
    np.testing.assert_array_equal(work.latents, LATENTS)
    np.testing.assert_array_equal(work.labels, LABELS)
    assert work.labels.dtype == np.int64
    assert work.seed is None


def zeros(count: int, width: int = 5) -> np.ndarray:
    return np.zeros((count, width), np.float32)


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ([latents()], r"inputs are \['latents'\]; the model takes latents, labels, each once"),
        ([labels()], r"inputs are \['labels'\]"),
        ([latents(), labels(), labels()], "each once"),
        ([latents(), latents()], "each once"),
        ([latents(), labels(), latents(name="noise")], "each once"),
        ([latents(zeros(0)), labels()], "shape of latents is .0, 5.; .n, latent_dim. with n ≥ 1"),
        ([latents(shape=[]), labels()], "shape of latents is ..; .n, latent_dim. with n ≥ 1"),
        ([latents(zeros(2, 4)), labels()], r"shape of latents is \[2, 4\]; \[2, 5\]"),
        ([latents(), labels(LABELS[:1])], r"shape of labels is \[1\]; \[2\] is allowed"),
        ([latents(), labels(LABELS.reshape(2, 1))], r"shape of labels is \[2, 1\]; \[2\]"),
        ([latents(datatype="FP64"), labels()], "datatype of latents is 'FP64'"),
        ([latents(), labels(datatype="INT32")], "datatype of labels is 'INT32'"),
        ([latents(), labels(np.array([0, 10]))], "label is 10; class indices 0 … 9"),
        ([latents(), labels(np.array([-1, 0]))], "label is -1; class indices 0 … 9"),
        ([latents(LATENTS * 100), labels()], "finite values within ±100 are allowed"),
        ([latents(data=[1e300] * 10), labels()], "latents.* is inf"),
    ],
)
def test_what_does_not_fit_the_model_is_named(manifest: Manifest, inputs: Any, names: str) -> None:
    with pytest.raises(InvalidValue, match=names):
        work_of({"inputs": inputs}, manifest)


def test_limits_are_checked_before_values(manifest: Manifest) -> None:
    broken = latents(data=["x"])
    with pytest.raises(LimitExceeded, match="at most 1 images"):
        work_of({"inputs": [broken, labels()]}, manifest, images_per_request=1)
    with pytest.raises(LimitExceeded, match="megapixels"):
        work_of({"inputs": [broken, labels()]}, manifest, megapixels_per_request=1e-4)


@pytest.mark.parametrize("outputs", [[{"name": "logits"}], [{"name": "images"}] * 2])
def test_outputs_that_no_model_has_are_refused(outputs: Any, manifest: Manifest) -> None:
    parsed = parse_request(json.dumps(wanted(outputs=outputs)).encode(), None, Settings())
    with pytest.raises(InvalidValue, match="outputs are"):
        wants_binary(parsed, manifest)
