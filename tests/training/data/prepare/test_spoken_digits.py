import io
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mirage.training.__main__ import main
from mirage.training.data.prepare.spoken_digits import (
    LENGTH,
    RATE,
    VOICES,
    draw_utterances,
    fitted,
    resampled,
    to_wav,
    write_spoken_digits,
)
from mirage.training.errors import DataError

SPEAKER = """#!/bin/sh
# writes a tone as espeak-ng does: a header of a stream, whose length is not known
cat "$(dirname "$0")/tone.wav"
"""


@pytest.fixture
def speaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of espeak-ng, which need not be installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(22_050)
        opened.writeframes((tone(22_050, 400, 0.4) * 20_000).astype("<i2").tobytes())
    content = bytearray(file.getvalue())
    content[40:44] = (0x7FFF_F000).to_bytes(4, "little")
    (folder / "tone.wav").write_bytes(content)
    program = folder / "espeak-ng"
    program.write_text(SPEAKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


def tone(rate: int, hertz: float, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def test_writes_a_folder_of_wav_files_per_digit(
    tmp_path: Path, speaker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "digits"
    assert main(["prepare-spoken-digits", "--to", str(folder), "--each", "2"]) == 0
    assert "20 sounds of 8192 samples" in capsys.readouterr().out
    paths = sorted(folder.rglob("*.wav"))
    assert Counter(path.parent.name for path in paths)["3-three"] == 2
    assert len({path.parent.name for path in paths}) == 10
    with wave.open(str(paths[0])) as opened:
        assert opened.getparams()[:4] == (1, 2, RATE, LENGTH)
        sound = np.frombuffer(opened.readframes(LENGTH), "<i2")
    assert np.abs(sound).max() == round(0.8 * 32_767)
    assert np.abs(sound[-4_000:]).max() < 100, "the end is padded"


def test_the_seed_decides_how_digits_are_spoken() -> None:
    first = draw_utterances(30, 0)
    assert first == draw_utterances(30, 0)
    assert first != draw_utterances(30, 1)
    assert {utterance.voice for utterance in first} == set(VOICES)


def test_resampling_keeps_the_pitch_and_the_level() -> None:
    sound = resampled(tone(22_050, 440, 1.0), 22_050, 8_000)
    assert len(sound) == 8_000
    assert np.allclose(sound, tone(8_000, 440, 1.0), atol=1e-6)


def test_leading_silence_is_cut_and_the_end_is_padded() -> None:
    sound = fitted(np.concatenate([np.zeros(4_000), tone(8_000, 400, 0.3)]), 8_000)
    assert len(sound) == LENGTH
    loud = np.flatnonzero(np.abs(sound) > 1_000)
    assert 70 <= loud[0] <= 90
    assert loud[-1] < 80 + 2_400


def test_silence_is_an_error() -> None:
    with pytest.raises(DataError, match="silence of 100 samples"):
        fitted(np.zeros(100), 8_000)


def test_wav_files_hold_the_samples() -> None:
    sound = np.arange(-5, 5, dtype="<i2")
    assert to_wav(sound)[44:] == sound.tobytes()


def test_a_missing_program_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="espeak-ng is not installed"):
        write_spoken_digits(tmp_path / "digits", 1)


def test_a_failing_program_is_quoted(
    tmp_path: Path, speaker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker.write_text("#!/bin/sh\necho no such voice >&2\nexit 1\n")
    with pytest.raises(DataError, match="no such voice"):
        write_spoken_digits(tmp_path / "digits", 1)
