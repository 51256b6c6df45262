"""No request waits longer for an encoding thread than for anything else."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.service.helpers.requests import problem

SOON = {"x-deadline-ms": "400"}
POINTS = [{"seed": 1}, {"seed": 2}]
SEED = {"name": "latents", "datatype": "FP32", "shape": [1, 5], "data": [0, 0, 0, 0, 0]}
LABEL = {"name": "labels", "datatype": "INT64", "shape": [1], "data": [3]}


@pytest.fixture
def busy(client: TestClient) -> Iterator[TestClient]:
    """A service whose only encoding thread does not return."""
    assert isinstance(client.app, FastAPI)
    done = threading.Event()
    client.app.state.service.encoders.submit(done.wait)
    yield client
    done.set()


@pytest.mark.parametrize(
    ("path", "body", "accept"),
    [
        ("/generate", {"seed": 1}, "image/webp"),
        ("/interpolate", {"points": POINTS, "steps": 1}, "image/gif"),
    ],
)
def test_images_that_are_not_encoded_in_time_get_504(
    busy: TestClient, path: str, body: dict[str, Any], accept: str
) -> None:
    response = busy.post(path, json=body, headers={**SOON, "accept": accept})
    problem(response, 504, "deadline-passed")


def test_tensors_that_are_not_encoded_in_time_get_504(busy: TestClient) -> None:
    response = busy.post("/v2/models/toy/infer", json={"inputs": [SEED, LABEL]}, headers=SOON)
    assert response.status_code == 504, response.text
    assert "before the request was answered" in response.json()["error"]
