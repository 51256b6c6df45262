"""Inference requests and answers of the tests: how they are built, sent and read."""

import json
from typing import Any

import numpy as np
from starlette.testclient import TestClient

LENGTH = "Inference-Header-Content-Length"
LATENTS = np.linspace(-2, 2, 10, dtype=np.float32).reshape(2, 5)
LABELS = np.array([3, 7], np.int64)


def tensor(name: str, datatype: str, array: np.ndarray, changes: dict[str, Any]) -> dict[str, Any]:
    """An input with its values in the JSON, flat."""
    values = array.ravel().tolist()
    fields = {"name": name, "shape": list(array.shape), "datatype": datatype, "data": values}
    return fields | changes


def latents(array: np.ndarray = LATENTS, **changes: Any) -> dict[str, Any]:
    return tensor("latents", "FP32", array, changes)


def labels(array: np.ndarray = LABELS, **changes: Any) -> dict[str, Any]:
    return tensor("labels", "INT64", array, changes)


def wanted(**changes: Any) -> dict[str, Any]:
    """A request for the two images of LATENTS and LABELS."""
    return {"inputs": [latents(), labels()]} | changes


def binary(fields: dict[str, Any], *arrays: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """A body whose inputs stand behind the JSON, and its header."""
    inputs = [
        {**{k: v for k, v in given.items() if k != "data"}, "parameters": sized(array)}
        for given, array in zip(fields["inputs"], arrays, strict=True)
    ]
    text = json.dumps({**fields, "inputs": inputs}).encode()
    return text + b"".join(array.tobytes() for array in arrays), {LENGTH: str(len(text))}


def sized(array: np.ndarray) -> dict[str, int]:
    return {"binary_data_size": array.nbytes}


def post(
    client: TestClient,
    fields: Any,
    headers: dict[str, str] | None = None,
    *,
    model: str = "toy",
) -> Any:
    """Send JSON, or bytes as they are; the answer is not compressed unless asked for."""
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    plain = {"accept-encoding": "identity"}
    return client.post(f"/v2/models/{model}/infer", content=body, headers=plain | (headers or {}))


def images(response: Any) -> np.ndarray:
    """The images of an answer in either form, checked for what it says of itself."""
    assert response.status_code == 200, response.text
    length = response.headers.get(LENGTH)
    text = response.content if length is None else response.content[: int(length)]
    (output,) = json.loads(text)["outputs"]
    assert output["name"] == "images"
    assert output["datatype"] == "UINT8"
    if length is None:
        assert response.headers["content-type"] == "application/json"
        return np.array(output["data"], np.uint8).reshape(output["shape"])
    assert response.headers["content-type"] == "application/octet-stream"
    data = response.content[int(length) :]
    assert output["parameters"] == {"binary_data_size": len(data)}
    return np.frombuffer(data, np.uint8).reshape(output["shape"])


def error(response: Any, status: int) -> str:
    """The message of an error, checked for its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    fields = response.json()
    assert list(fields) == ["error"]
    message = fields["error"]
    assert isinstance(message, str)
    assert message
    assert "/tmp" not in message
    return message
