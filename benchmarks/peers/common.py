"""The work of a request for all peers: latents as JSON → one run of the graph → PNG.

The encoder is the service's, so that only the serving differs.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parents[2]))

from mirage.service.media.encoding import encode_png

MODEL = os.environ.get("BENCH_MODEL", "")
PORT = int(os.environ.get("BENCH_PORT", "8000"))
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
MOST = 32  # images per batch


def open_session(threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def read(body: bytes) -> np.ndarray:
    """The latents of a request, float32 [n, d]."""
    return np.array(json.loads(body)["latents"], np.float32)


def generate(session: onnxruntime.InferenceSession, latents: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C]; labels, where a model has them, are 0."""
    feed: dict[str, Any] = {"latents": latents}
    if len(session.get_inputs()) > 1:
        feed["labels"] = np.zeros(len(latents), np.int64)
    (images,) = session.run(["images"], feed)
    return images


def encode(images: np.ndarray) -> bytes:
    """The PNG files of a request, concatenated."""
    return b"".join(map(encode_png, images))


def together(session: onnxruntime.InferenceSession, requests: list[np.ndarray]) -> list[bytes]:
    """Compute several requests in one run."""
    images = generate(session, np.concatenate(requests))
    ends = np.cumsum([len(request) for request in requests])[:-1]
    return [encode(part) for part in np.split(images, ends)]
