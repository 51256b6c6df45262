"""Encodes samples as WAV or FLAC, 16 bits and one channel."""

import importlib.util
import io
import struct

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]  # [T]

WAV, FLAC = "audio/wav", "audio/flac"
PCM, CHANNELS, BITS = 1, 1, 16
# Of "RIFF": its size, "WAVE", "fmt " with 16 bytes, and "data" with the samples (RIFF, IBM and
# Microsoft 1991).
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def encode_wav(samples: Samples, sample_rate: int) -> bytes:
    """Encode int16 `[T]`: a header of 44 bytes, then the samples, little-endian."""
    size, frame = 2 * len(samples), CHANNELS * BITS // 8
    form = (PCM, CHANNELS, sample_rate, sample_rate * frame, frame, BITS)
    whole = size + HEADER.size - 8
    head = HEADER.pack(b"RIFF", whole, b"WAVE", b"fmt ", 16, *form, b"data", size)
    return head + samples.astype("<i2", copy=False).tobytes()


def has_flac() -> bool:
    """Whether the package that writes FLAC is installed."""
    return importlib.util.find_spec("soundfile") is not None


def encode_flac(samples: Samples, sample_rate: int) -> bytes:
    """Encode int16 `[T]` without loss; needs the package `soundfile`."""
    import soundfile  # an optional package

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, "PCM_16", format="FLAC")
    return buffer.getvalue()
