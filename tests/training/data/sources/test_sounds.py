import io
from pathlib import Path

import numpy as np
import pytest

from mirage.training.data.load import load_dataset, load_splits
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.sounds import read_sound
from mirage.training.errors import DataError, UsageError
from mirage.training.media.sound import Sound
from tests.training.helpers.files import write_tree, write_zip
from tests.training.helpers.sequences import tone, wav, write_sounds


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_reads_integers_of_any_width(width: int) -> None:
    samples = tone()
    recording = read_sound(wav(samples, width=width))
    assert recording.rate == 1000
    np.testing.assert_allclose(recording.samples, samples, atol=1.1 * 2.0 ** (1 - 8 * width))


def test_channels_are_averaged() -> None:
    both = np.stack([np.full(9, 0.5), np.full(9, -0.25)], axis=1)
    np.testing.assert_allclose(read_sound(wav(both)).samples, 0.125, atol=1e-4)


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("WAV", "FLOAT")])
def test_reads_flac_and_floats_with_soundfile(kind: str, subtype: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, tone(), 1000, format=kind, subtype=subtype)
    np.testing.assert_allclose(read_sound(file.getvalue()).samples, tone(), atol=1e-4)


def test_class_folders_of_sounds_become_samples_of_one_length(tmp_path: Path, cache: Path) -> None:
    data = load_dataset(write_sounds(tmp_path / "data"), cache=cache)
    assert data.medium == Sound(length=50, sample_rate=1000)
    assert data.images.shape == (24, 50)
    assert data.images.dtype == np.int16
    assert data.classes == ("high", "low")
    first = (tone(200, 0.05) * 32767).round()
    np.testing.assert_allclose(data.images[0], first, atol=1)


def test_sounds_are_cut_or_end_in_silence(tmp_path: Path, cache: Path) -> None:
    files = {"long.wav": wav(np.full(30, 0.5)), "short.wav": wav(np.full(10, 0.5))}
    folder = write_tree(tmp_path / "data", files)
    data = load_dataset(folder, options=DataOptions(length=20), cache=cache)
    assert (data.images[0] == 16384).all()
    assert (data.images[1, :10] == 16384).all()
    assert not data.images[1, 10:].any()


def test_sounds_of_several_rates_get_the_lowest(tmp_path: Path, cache: Path) -> None:
    files = {"a.wav": wav(tone(50, 0.5, 2000), 2000), "b.wav": wav(tone(50, 0.5, 1000), 1000)}
    data = load_dataset(write_tree(tmp_path / "data", files), cache=cache)
    assert data.medium == Sound(length=500, sample_rate=1000)
    assert "resampled to 1000 Hz" in " ".join(data.notes)
    np.testing.assert_allclose(data.images[0, 50:-50], data.images[1, 50:-50], atol=70)


def test_reads_a_zip_file(tmp_path: Path, cache: Path) -> None:
    archive = write_zip(tmp_path / "data.zip", {"x/1.wav": wav(tone()), "y/1.wav": wav(-tone())})
    data = load_dataset(archive, cache=cache)
    assert data.classes == ("x", "y")
    np.testing.assert_allclose(data.images[0], -data.images[1], atol=1)


def test_a_few_broken_sounds_are_left_out(tmp_path: Path, cache: Path) -> None:
    files = {f"{number}.wav": wav(tone()) for number in range(8)} | {"8.wav": b"RIFF, but short"}
    data = load_dataset(write_tree(tmp_path / "data", files), cache=cache)
    assert len(data) == 8
    assert "left out: 8.wav" in " ".join(data.notes)


@pytest.mark.parametrize(
    ("loose", "message"),
    [
        ({"a.wav": wav(tone())}, "mixes sounds with class folders"),
        ({"silent/notes.txt": b""}, "the class folder silent without any sounds"),
        (
            {"train/a.wav": wav(tone()), "test/a.wav": wav(tone())},
            "to name the folders of training and test sounds",
        ),
    ],
)
def test_errors_of_the_layout_speak_of_sounds(
    tmp_path: Path, cache: Path, loose: dict[str, bytes], message: str
) -> None:
    files = {"high/a.wav": wav(tone()), "low/b.wav": wav(tone())}
    with pytest.raises(DataError, match=message):
        load_dataset(write_tree(tmp_path / "data", files | loose), cache=cache)


def test_a_labels_file_without_a_sound_is_an_error(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "data", {"a.wav": wav(tone()), "b.wav": wav(tone())})
    file = write_tree(tmp_path, {"own.csv": b"name,label\na.wav,high\n"}) / "own.csv"
    with pytest.raises(DataError, match=r"lacks 1 sound \(b\.wav\) that --data contains"):
        load_dataset(folder, options=DataOptions(labels=str(file)), cache=cache)


def test_no_readable_sound_is_an_error(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DataError, match=r"no sound in .* can be read, such as 1\.wav"):
        load_dataset(write_tree(tmp_path / "data", {"1.wav": b"?"}), cache=cache)


def test_test_sounds_get_the_form_of_the_training_sounds(tmp_path: Path, cache: Path) -> None:
    files = {"train/1.wav": wav(tone(seconds=0.2)), "test/1.wav": wav(tone(seconds=0.1))}
    train, test = load_splits(write_tree(tmp_path / "data", files), cache=cache)
    assert train.medium == test.medium == Sound(length=200, sample_rate=1000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DataOptions(size=(8, 8)), "--size is .* for images, and --data has sounds"),
        (DataOptions(mirror=True), "--mirror is True; it is for images"),
        (DataOptions(alphabet="ACGT"), "--alphabet is ACGT; it is for sequences"),
    ],
)
def test_rejects_options_of_other_data(
    tmp_path: Path, cache: Path, options: DataOptions, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        load_dataset(write_sounds(tmp_path / "data"), options=options, cache=cache)
