"""Sounds in a folder or an archive: WAV, FLAC and what else soundfile reads."""

import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mirage.training.data.cache import ArrayWriter, check_room
from mirage.training.data.options import AUTO, DataOptions, check_options
from mirage.training.data.sources.decode import convert_all
from mirage.training.data.sources.file_tree import FileTree, found_in
from mirage.training.data.sources.layout import find_layout, in_order
from mirage.training.data.sources.resampling import resample
from mirage.training.data.sources.source import Source, Written
from mirage.training.errors import DataError
from mirage.training.extras import how_to_install
from mirage.training.media.sound import FULL_SCALE, MAX_LENGTH, Sound

SUFFIXES = (".wav", ".wave", ".flac")
MAX_CHANNELS = 16
NOUN = "sounds"


@dataclass(frozen=True)
class Recording:
    """A decoded file: samples float32 [T], the mean of its channels, at `rate` Hz."""

    samples: np.ndarray
    rate: int


def is_sound(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def sounds_of(tree: FileTree, split: str, splits: str = AUTO) -> Source:
    """The sounds of one split of a tree; parameters as of `pictures_of`."""
    sounds = in_order(filter(is_sound, tree.names))
    layout = find_layout(tree.place, sounds, tree.folders, split, splits, NOUN)
    paths = [layout.root + name for name in layout.names]

    def write(source: Source, file: Path, options: DataOptions, workers: int | None) -> Written:
        return write_sounds(source, tree, paths, file, options, workers)

    return Source(picture=_picture, write=write, **found_in(tree, layout, is_sound, NOUN))


def _picture(index: int) -> Image.Image:
    raise DataError("is a sound, and images are expected")


def write_sounds(
    source: Source,
    tree: FileTree,
    paths: Sequence[str],
    file: Path,
    options: DataOptions,
    workers: int | None = None,
) -> Written:
    """Write sounds of one rate and length as int16 [N, T].

    Channels are averaged. A sound is resampled to the rate, of which the first samples are kept;
    shorter sounds get silence at the end. Without options, the rate is the lowest of all sounds,
    and the length that of the longest.
    """
    check_options(options, NOUN)
    medium, notes = _form(source, tree, paths, options)
    check_room(file.parent, len(paths) * 2 * medium.length)

    def convert(index: int) -> np.ndarray:
        return fitted(read_sound(tree.read(paths[index], None)), medium)

    with ArrayWriter(file, (medium.length,), "int16") as writer:
        broken = convert_all(source, convert, 2 * medium.length, options, writer.append, workers)
    return Written(medium, broken, notes)


def fitted(recording: Recording, medium: Sound) -> np.ndarray:
    """A recording at the rate and of the length of a medium: int16 [T]."""
    samples = resample(recording.samples, recording.rate, medium.sample_rate)[: medium.length]
    whole = np.zeros(medium.length, np.float32)
    whole[: len(samples)] = samples
    return (whole.clip(-1, 1) * FULL_SCALE).round().astype(np.int16)


def read_sound(content: bytes) -> Recording:
    """Decode a file; raises ValueError, or what the decoder raises, for a damaged one."""
    samples, rate = _read_pcm(content) or _read_any(content)
    if not len(samples):
        raise ValueError("has no samples")
    if samples.shape[1] > MAX_CHANNELS:
        raise ValueError(f"has {samples.shape[1]} channels; at most {MAX_CHANNELS} are allowed")
    return Recording(samples.mean(1, dtype=np.float32), rate)


def _read_pcm(content: bytes) -> tuple[np.ndarray, int] | None:
    """Samples float32 [T, C] and rate of a WAV file of 8 to 32 bits; None for other files."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
    except (wave.Error, EOFError):
        return None
    raw = raw[: len(raw) // (width * channels) * width * channels].reshape(-1, channels, width)
    if width == 1:  # the only unsigned format
        return (raw[..., 0].astype(np.float32) - 128) / 128, rate
    wide = np.zeros((*raw.shape[:2], 4), np.uint8)
    wide[..., 4 - width :] = raw
    return wide.view("<i4")[..., 0].astype(np.float32) / 2**31, rate


def _read_any(content: bytes) -> tuple[np.ndarray, int]:
    """Samples float32 [T, C] and rate by soundfile; raises DataError if it is not installed."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError without the library that it needs
        raise ValueError(
            f"is no WAV file of integers, which needs soundfile: {how_to_install('sound')}"
        ) from error
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return samples, int(rate)


def _form(
    source: Source, tree: FileTree, paths: Sequence[str], options: DataOptions
) -> tuple[Sound, tuple[str, ...]]:
    """Rate and length of all sounds; files are read for them only if options do not give both."""
    rate, length = options.sample_rate, options.length
    notes: tuple[str, ...] = ()
    if rate is None or length is None:
        found = list(_sizes(tree, paths))
        if not found:
            raise DataError(f"no sound in {source.place} can be read, such as {source.names[0]}")
        rates = sorted({own for _, own in found})
        rate = rate or rates[0]
        if len(rates) > 1 and options.sample_rate is None:
            notes = (f"sounds have {len(rates)} sample rates; all are resampled to {rate} Hz",)
        length = length or max(-(-count * rate // own) for count, own in found)
    if length > MAX_LENGTH:
        raise DataError(
            f"sounds of {source.place} have {length:,} samples at {rate} Hz; at most "
            f"{MAX_LENGTH:,} are allowed; pass --length N to keep the first N"
        )
    return Sound(length=length, sample_rate=rate), notes


def _sizes(tree: FileTree, paths: Sequence[str]) -> list[tuple[int, int]]:
    """Samples and rate of each sound that can be read."""
    found = []
    for path in paths:
        try:
            recording = read_sound(tree.read(path, None))
        except Exception:  # decoders raise many types; such files are reported when they are read
            continue
        found.append((len(recording.samples), recording.rate))
    return found
