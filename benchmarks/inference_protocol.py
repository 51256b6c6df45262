"""Compares binary /v2 requests with /generate and npy: 16 images per request, shipped model."""

import http.client
import io
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
IMAGES, LATENT_DIM = 16, 64
ROUNDS, REQUESTS = 21, 20

Call = tuple[str, bytes, dict[str, str]]  # path, body and headers


def inference(latents: np.ndarray, labels: np.ndarray) -> Call:
    """A request of the Open Inference Protocol with binary input and output."""
    arrays = {"latents": ("FP32", latents), "labels": ("INT64", labels)}
    inputs = [
        {
            "name": name,
            "shape": list(array.shape),
            "datatype": kind,
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, (kind, array) in arrays.items()
    ]
    header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    return "/v2/models/mnist/infer", header + latents.tobytes() + labels.tobytes(), length


def generation(latents: np.ndarray, labels: np.ndarray) -> Call:
    """The same images by /generate with npy input and output."""
    body = io.BytesIO()
    np.save(body, latents)
    kinds = {"content-type": "application/x-npy", "accept": "application/x-npy"}
    return f"/generate?labels={','.join(map(str, labels))}", body.getvalue(), kinds


def images_per_s(connection: http.client.HTTPConnection, call: Call) -> float:
    started = time.perf_counter()
    for _ in range(REQUESTS):
        connection.request("POST", *call)
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise SystemExit(f"{call[0]} answered {answer.status}")
    return REQUESTS * IMAGES / (time.perf_counter() - started)


def compare(port: int) -> dict[str, float]:
    """Medians of images per second, and of the ratio within each round."""
    latents = np.random.default_rng(0).standard_normal((IMAGES, LATENT_DIM), np.float32)
    labels = np.arange(IMAGES) % 10
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    calls = inference(latents, labels), generation(latents, labels)
    rounds = [[images_per_s(connection, call) for call in calls] for _ in range(ROUNDS)][1:]
    v2, generate = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in rounds)
    return {"v2_images_per_s": v2, "generate_images_per_s": generate, "ratio": ratio}


def main() -> None:
    command = [sys.executable, "-m", "service", "--default-model", "mnist", "--port", "0"]
    command += ["--drain-delay-s", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        ready = next(line for line in server.stderr or () if " ready " in line)
        found = re.search(r"port=(\d+)", ready)
        # it logs each request; an unread pipe would fill up and block it
        threading.Thread(target=server.stderr.read if server.stderr else None, daemon=True).start()
        results = compare(int(found[1])) if found else {}
    finally:
        server.terminate()
        server.wait()
    print(json.dumps({name: round(value, 2) for name, value in results.items()}))


if __name__ == "__main__":
    main()
