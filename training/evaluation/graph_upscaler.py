"""An exported graph of pictures in onnxruntime, as the service runs it."""

from collections.abc import Callable

import numpy as np
import onnxruntime

Upscale = Callable[[np.ndarray], np.ndarray]


def open_upscaler(model: bytes, threads: int = 0) -> Upscale:
    """The graph on the CPU: uint8 [N, H, W, C] -> uint8 [N, s * H, s * W, C].

    threads: of its own; 0 leaves the choice to onnxruntime.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(pictures: np.ndarray) -> np.ndarray:
        (images,) = session.run(["images"], {"pictures": pictures})
        return images

    return run


def enlarger(model: bytes, threads: int = 0) -> Upscale:
    """The same for one picture: uint8 [H, W, C] -> uint8 [s * H, s * W, C]."""
    upscale = open_upscaler(model, threads)
    return lambda low: upscale(low[None])[0]
