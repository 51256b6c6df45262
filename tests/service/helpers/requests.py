"""Requests and answers of the tests: how they are sent, read and checked."""

import asyncio
import io
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

NPY, OCTETS, JSON = "application/x-npy", "application/octet-stream", "application/json"


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def problem(response: Any, status: int, slug: str) -> dict[str, Any]:
    """The problem that a response is, checked for its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["type"] == f"urn:mirage:{slug}"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert "/tmp" not in response.text
    assert "Traceback" not in response.text
    return found


def post(client: TestClient, **fields: Any) -> Any:
    return client.post("/generate", json=fields)


def pixels(response: Any) -> np.ndarray:
    assert response.status_code == 200, response.text
    with Image.open(io.BytesIO(response.content)) as image:
        return np.asarray(image)


def settle(client: TestClient) -> None:
    """Let the event loop go round once, in which the last request is counted and logged."""
    assert client.portal is not None
    client.portal.call(asyncio.sleep, 0)
