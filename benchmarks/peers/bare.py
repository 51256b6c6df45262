"""A loop around onnxruntime: `bare.py GRAPH BATCH SECONDS`, or `bare.py GRAPH calls COUNT`."""

import os
import sys
import time

import numpy as np

os.environ["BENCH_MODEL"] = sys.argv[1]
from common import encode, generate, open_session


def main() -> None:
    session = open_session()
    width = next(item.shape[1] for item in session.get_inputs() if item.name == "latents")
    rng = np.random.default_rng(0)
    if sys.argv[2] == "calls":
        latents = rng.standard_normal((1, width), np.float32)
        for _ in range(int(sys.argv[3])):
            started = time.perf_counter()
            encode(generate(session, latents))
            print(time.perf_counter() - started)
        return
    latents = rng.standard_normal((int(sys.argv[2]), width), np.float32)
    generate(session, latents)
    started, images = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < float(sys.argv[3]):
        generate(session, latents)
        images += len(latents)
    print(images / elapsed)


if __name__ == "__main__":
    main()
