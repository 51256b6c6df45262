"""Runs the exported graph of an upscaler with onnxruntime, as the service does."""

from collections.abc import Callable

import numpy as np
import onnxruntime

Upscale = Callable[[np.ndarray], np.ndarray]


def open_upscaler(model: bytes, threads: int = 0) -> Upscale:
    """Open the graph on the CPU: a function uint8 [N, H, W, C] -> uint8 [N, s * H, s * W, C].

    threads: of the session; 0 uses onnxruntime's default.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(pictures: np.ndarray) -> np.ndarray:
        (images,) = session.run(["images"], {"pictures": pictures})
        return images

    return run


def enlarger(model: bytes, threads: int = 0) -> Upscale:
    """Open the graph for single pictures: uint8 [H, W, C] -> uint8 [s * H, s * W, C]."""
    upscale = open_upscaler(model, threads)
    return lambda low: upscale(low[None])[0]
