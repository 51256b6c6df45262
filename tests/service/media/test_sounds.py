"""Samples as files."""

import io
import wave

import numpy as np
import pytest
import soundfile

from mirage.service.media.sounds import encode_flac, encode_wav

SAMPLES = np.array([0, 1, -1, 32767, -32768], np.int16)


@pytest.mark.parametrize("samples", [SAMPLES, SAMPLES[:0], SAMPLES.astype(">i2")])
def test_a_wav_has_a_header_of_44_bytes_and_the_samples(samples: np.ndarray) -> None:
    data = encode_wav(samples, 22050)
    assert len(data) == 44 + 2 * len(samples)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 22050, len(samples))
        assert np.array_equal(np.frombuffer(file.readframes(len(samples)), "<i2"), samples)


def test_a_flac_has_the_same_samples() -> None:
    found, rate = soundfile.read(io.BytesIO(encode_flac(SAMPLES, 8000)), dtype="int16")
    assert rate == 8000
    assert np.array_equal(found, SAMPLES)
