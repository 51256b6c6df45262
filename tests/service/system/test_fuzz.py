"""Thousands of broken bodies: none makes the service fail, hang or grow.

Each body is a good one that was changed in a few places. FUZZ_CASES in the environment asks for
more of them than the few thousand of every run.
"""

import asyncio
import json
import os
import random
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
from fastapi import FastAPI
from starlette.types import Message

from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.service.helpers.requests import JSON, NPY, OCTETS, npy

CASES = int(os.environ.get("FUZZ_CASES", "2000"))
MAX_GROWTH = 2**20  # bytes; what a leak of a small body per request would be is many times that
ANSWER_S = 60.0
SCOPE = {"type": "http", "method": "POST", "client": ("192.0.2.1", 1)}
LATENT_DIM = 5

LATENTS = np.linspace(-2, 2, 3 * LATENT_DIM, dtype="<f4").reshape(3, LATENT_DIM)
GENERATE, INTERPOLATE, INFER = "/generate", "/interpolate", "/v2/models/toy/infer"
TENSOR = {"name": "latents", "datatype": "FP32", "shape": [3, LATENT_DIM]}
LABELS = {"name": "labels", "datatype": "INT64", "shape": [3], "data": [3, 4, 5]}
INLINE = json.dumps({"id": "7", "inputs": [{**TENSOR, "data": LATENTS.tolist()}, LABELS]}).encode()
BINARY = {**TENSOR, "parameters": {"binary_data_size": LATENTS.nbytes}}
HEADER = json.dumps({"inputs": [BINARY, LABELS]}).encode()
GOOD = (
    (GENERATE, JSON, b'{"count": 3, "seed": "18446744073709551615", "labels": [3, "4", 5]}'),
    (GENERATE, JSON, b'{"seed": 7, "index": 2, "truncation": 0.5, "layout": "grid"}'),
    (GENERATE, JSON, json.dumps({"latents": LATENTS.tolist(), "labels": "3"}).encode()),
    (GENERATE, NPY, npy(LATENTS)),
    (GENERATE, OCTETS, LATENTS.tobytes()),
    (INTERPOLATE, JSON, b'{"points": [{"seed": 7}, {"seed": "8", "label": 3}], "steps": 4}'),
    (INFER, JSON, INLINE),
    (INFER, OCTETS, HEADER + LATENTS.tobytes()),
)
LENGTHS = (str(len(HEADER)).encode(), b"0", b"1", b"-1", b"200", b"1" * 30, b"x")
QUERIES = (b"", b"labels=3", b"labels=1,2,3&index=4", b"layout=grid&labels=%33&model=toy&version=1")
ACCEPTS = (b"*/*", b"image/png", b"application/json", b"application/zip;q=0.5, image/webp")
TOKENS = (
    *(b"-1", b"0", b"1e400", b"NaN", b"1" * 400, b"18446744073709551616", b"null", b"true"),
    *(b'"', b"\\", b"\\ud800", b"{", b"}", b"[", b"]", b"[" * 2000, b",", b":", b"\x00", b"\xff"),
    *(b"'<f8'", b"'|O'", b"True", b"(3, 5)", b"(-3, 5)", b"(99999999999, 5)", b"\x93NUMPY\x03"),
)


def test_no_mutated_body_makes_it_fail_or_hang_or_grow(settings: Settings) -> None:
    statuses = asyncio.run(post_all(create_app(settings), random.Random(0), CASES))
    assert sum(statuses.values()) == CASES
    assert set(statuses) <= {200, 400, 404, 406, 413, 415, 422, 429}
    assert min(statuses[200], statuses[400], statuses[422]) > CASES // 100  # it meets every layer


async def post_all(app: FastAPI, chance: random.Random, cases: int) -> Counter[int]:
    """The statuses of the answers to so many bodies; the second half of them must leave nothing."""
    statuses: Counter[int] = Counter()
    async with app.router.lifespan_context(app):
        tracemalloc.start()
        try:
            for number in range(cases):
                if number == cases // 2:
                    before, _ = tracemalloc.get_traced_memory()
                path, media, good = chance.choice(GOOD)
                headers = [(b"content-type", media.encode()), (b"accept", chance.choice(ACCEPTS))]
                if path == INFER and media == OCTETS:
                    headers.append((b"inference-header-content-length", chance.choice(LENGTHS)))
                query = chance.choice(QUERIES) if path == GENERATE and media != JSON else b""
                scope = {**SCOPE, "path": path, "query_string": query, "headers": headers}
                statuses[await post(app, scope, mutated(good, chance))] += 1
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < MAX_GROWTH
    return statuses


async def post(app: FastAPI, scope: dict[str, Any], body: bytes) -> int:
    """The status of the answer; raises what the application raises, TimeoutError if none comes."""
    requests: asyncio.Queue[Message] = asyncio.Queue()
    requests.put_nowait({"type": "http.request", "body": body})
    answer: list[Message] = []

    async def take(message: Message) -> None:
        answer.append(message)

    async with asyncio.timeout(ANSWER_S):
        await app(scope, requests.get, take)
    status: int = answer[0]["status"]
    return status


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The body with up to four changes."""
    changed = bytearray(body)
    for _ in range(chance.randrange(5)):
        start = chance.randrange(len(changed) + 1)
        stop = min(len(changed), start + chance.choice((0, 1, 1, 4, 16, len(body))))
        change = chance.randrange(4)
        if change == 0:
            changed[start:stop] = b""
        elif change == 1:
            changed[start:stop] = chance.choice(TOKENS)
        elif change == 2:
            changed[start:stop] = chance.randbytes(stop - start)
        else:
            changed[start:start] = changed[start:stop]
    return bytes(changed)
