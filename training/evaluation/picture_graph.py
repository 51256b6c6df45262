"""Runs the exported graph of a model of pictures with onnxruntime, as the service does."""

from collections.abc import Callable

import numpy as np
import onnxruntime

Convert = Callable[[np.ndarray], np.ndarray]


def open_picture_graph(model: bytes, threads: int = 0) -> Convert:
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


def single_pictures(model: bytes, threads: int = 0) -> Convert:
    """Open the graph for single pictures: uint8 [H, W, C] -> uint8 [s * H, s * W, C]."""
    convert = open_picture_graph(model, threads)
    return lambda picture: convert(picture[None])[0]
