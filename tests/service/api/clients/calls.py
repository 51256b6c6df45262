"""Calls every operation by the client that openapi-python-client generates.

Run as `python calls.py URL` with the generated package `generated` on the path; prints a JSON
object from the operation's module to its status, its parsed type and the first bytes of its body.
"""

import importlib
import io
import json
import sys
from typing import Any

from generated import AuthenticatedClient, models
from generated.types import File

MODEL = {"name": "toy"}
VERSION = {"name": "toy", "version": "1"}


def inference() -> Any:
    latents = {"name": "latents", "shape": [1, 5], "datatype": "FP32", "data": [0.5] * 5}
    labels = {"name": "labels", "shape": [1], "datatype": "INT64", "data": [3]}
    return models.InferenceRequest.from_dict({"inputs": [latents, labels]})


def calls(picture: bytes) -> dict[str, dict[str, Any]]:
    """Arguments of each operation, by its module."""
    points = [{"seed": 1}, {"seed": "2"}]
    return {
        "images.generate": {"body": models.GenerateRequest(seed=7, count=1)},
        "images.interpolate": {
            "body": models.InterpolateRequest.from_dict({"points": points, "steps": 2})
        },
        "images.upscale": {"body": File(io.BytesIO(picture)), "model": "larger"},
        "images.translate": {"body": File(io.BytesIO(picture)), "model": "styled"},
        "images.invert": {"body": File(io.BytesIO(picture)), "model": "toy"},
        "models.get_models": {},
        "models.get_model": MODEL,
        "models.get_samples": MODEL,
        "models.get_card": MODEL,
        "open_inference_protocol.inference_server": {},
        "open_inference_protocol.inference_live": {},
        "open_inference_protocol.inference_ready": {},
        "open_inference_protocol.inference_index": {"body": models.IndexRequest(ready=True)},
        "open_inference_protocol.inference_model": MODEL,
        "open_inference_protocol.inference_model_version": VERSION,
        "open_inference_protocol.inference_model_ready": MODEL,
        "open_inference_protocol.inference_model_ready_version": VERSION,
        "open_inference_protocol.inference_model_config": MODEL,
        "open_inference_protocol.inference_model_config_version": VERSION,
        "open_inference_protocol.inference_infer": {**MODEL, "body": inference()},
        "open_inference_protocol.inference_infer_version": {**VERSION, "body": inference()},
        "operation.get_health": {},
        "operation.get_readiness": {},
        "operation.get_metrics": {},
    }


def main(url: str) -> None:
    client = AuthenticatedClient(base_url=url, token="none", raise_on_unexpected_status=True)
    picture = importlib.import_module("generated.api.models.get_samples")
    sample = picture.sync_detailed(client=client, **MODEL).content
    seen = {}
    for module, arguments in calls(sample).items():
        operation = importlib.import_module(f"generated.api.{module}")
        answer = operation.sync_detailed(client=client, **arguments)
        kind = type(answer.parsed).__name__
        seen[module] = (answer.status_code, kind, answer.content[:4].decode("latin-1"))
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
