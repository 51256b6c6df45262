"""The same seed is the same bytes, whatever else is in the batch."""

import io
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.service.conftest import ClientOf


def image_of(client: TestClient, seed: int, **fields: object) -> bytes:
    response = client.post("/generate", json={"seed": seed, **fields})
    assert response.status_code == 200, response.text
    return response.content


@pytest.fixture(scope="module")
def seven(client: TestClient) -> bytes:
    """Seed 7, alone."""
    return image_of(client, 7)


def test_seed_7_is_the_same_among_200_concurrent_requests(
    client_of: ClientOf, seven: bytes
) -> None:
    client = client_of(linger_ms=20.0)
    together = threading.Barrier(20)

    def ask(number: int) -> bytes:
        if number < 20:
            together.wait()
        return image_of(client, 7 if number % 10 == 0 else number)

    with ThreadPoolExecutor(20) as pool:
        images = list(pool.map(ask, range(200)))
    assert {images[number] for number in range(0, 200, 10)} == {seven}
    assert images[1] != seven


def test_seed_7_is_the_first_of_40(client: TestClient, seven: bytes) -> None:
    response = client.post("/generate", json={"seed": 7, "count": 40})
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.read("000.png") == seven
        fortieth = archive.read("039.png")
    assert image_of(client, 7, index=39) == fortieth


def test_seed_7_is_the_same_as_its_latents(client: TestClient, seven: bytes) -> None:
    """By the formula as it is published, not by this project's function."""
    philox = np.random.Philox(key=np.array([7, 0], dtype=np.uint64))
    rng = np.random.Generator(philox)
    latent = rng.standard_normal(5, dtype=np.float32)
    label = rng.integers(10)
    response = client.post(
        f"/generate?labels={label}",
        content=latent.astype("<f4").tobytes(),
        headers={"content-type": "application/octet-stream"},
    )
    assert response.content == seven
    fields = {"latents": [latent.astype(float).tolist()], "labels": int(label)}
    posted = client.post(
        "/generate", content=json.dumps(fields), headers={"content-type": "application/json"}
    )
    assert posted.content == seven


@pytest.mark.parametrize("changes", [{"max_batch_size": 1}, {"lanes": 3}, {"threads": 2}])
def test_seed_7_is_the_same_under_other_settings(
    client_of: ClientOf, seven: bytes, changes: dict[str, int]
) -> None:
    assert image_of(client_of(**changes), 7) == seven
