"""A few inputs and the images that the trained network made of them: `golden.npz`.

Whoever runs a bundle replays them first. The file is read as hostile: no pickle, and nothing is
decompressed before its size is known to be the expected one.
"""

import io
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirage.bundle.errors import BundleError
from mirage.bundle.latents import draw_latents
from mirage.bundle.limits import DEFAULT_LIMITS, Limits
from mirage.bundle.manifest import Manifest

GOLDEN_COUNT = 8
GOLDEN_SEED = 0
HEADER_BYTES = 1024  # of one array, at most
END_BYTES = 22  # the record that ends a ZIP archive without a comment
LISTING_BYTES = 1024
LATENT_BOUND = 100.0


@dataclass(frozen=True)
class Golden:
    """What goes in and what comes out.

    Latents float32 `[8, latent_dim]`, labels int64 `[8]` or None, images uint8 `[8, H, W, C]`.
    """

    latents: np.ndarray
    labels: np.ndarray | None
    images: np.ndarray


def golden_inputs(latent_dim: int, num_classes: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The 8 latents of seed 0, and the labels 0, 1, 2 … cyclic of a conditional model."""
    latents, _ = draw_latents(GOLDEN_SEED, 0, GOLDEN_COUNT, latent_dim)
    labels = np.arange(GOLDEN_COUNT, dtype=np.int64) % num_classes if num_classes else None
    return latents, labels


def write_golden(path: Path, golden: Golden) -> None:
    """Write `golden.npz`; the same arrays give the same bytes."""
    arrays = {"latents": golden.latents, "images": golden.images}
    if golden.labels is not None:
        arrays["labels"] = golden.labels
    np.savez_compressed(path, allow_pickle=False, **arrays)


def read_golden(raw: bytes, manifest: Manifest, limits: Limits = DEFAULT_LIMITS) -> Golden:
    """Read `golden.npz` as the manifest says that it must be.

    Raises BundleError `golden_invalid`.
    """
    try:
        _check_directory(raw)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            golden = _read_arrays(archive, manifest, limits.golden_bytes)
        _check_values(golden, manifest.num_classes)
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError("golden_invalid", f"golden.npz: {error}") from None
    return golden


def _check_directory(raw: bytes) -> None:
    """Refuse an archive whose list of files is not a short one at its very end.

    `zipfile` makes an object of every file listed, before it can be asked how many there are.
    """
    end = raw[-END_BYTES:]
    listing_bytes = int.from_bytes(end[12:16], "little")
    is_zip64 = raw[-END_BYTES - 20 :].startswith(b"PK\x06\x07")
    if not end.startswith(b"PK\x05\x06") or is_zip64 or listing_bytes > LISTING_BYTES:
        raise ValueError("is no ZIP archive, or cut short, or lists too many files")


def _read_arrays(archive: zipfile.ZipFile, manifest: Manifest, limit_bytes: int) -> Golden:
    image = manifest.image
    described: dict[str, tuple[str, tuple[int, ...]]] = {
        "latents": ("<f4", (GOLDEN_COUNT, manifest.latent_dim)),
        "images": ("|u1", (GOLDEN_COUNT, image.height, image.width, image.channels)),
    }
    if manifest.labels:
        described["labels"] = ("<i8", (GOLDEN_COUNT,))
    if _data_bytes(*described["images"]) > limit_bytes:
        raise ValueError(f"images as the manifest says take over {limit_bytes} bytes, the limit")
    found, expected = sorted(archive.namelist()), sorted(f"{name}.npy" for name in described)
    if found != expected:
        raise ValueError(f"holds {found!r:.200}; expected are {expected}")
    arrays = {name: _read_array(archive, name, *described[name]) for name in described}
    return Golden(arrays["latents"], arrays.get("labels"), arrays["images"])


def _read_array(
    archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int, ...]
) -> np.ndarray:
    """One array; its `.npy` header must be the expected text, so nothing in it is interpreted."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} has compression {info.compress_type}; allowed are 0, 8")
    data_bytes = _data_bytes(dtype, shape)
    if info.file_size > data_bytes + HEADER_BYTES:
        raise ValueError(f"{info.filename} unpacks to {info.file_size} bytes, not {data_bytes}")
    with archive.open(info) as member:
        contents = member.read(data_bytes + HEADER_BYTES)
    header, data = contents[:-data_bytes], contents[-data_bytes:]
    expected = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    if header[:8] != b"\x93NUMPY\x01\x00" or header[10:].rstrip() != expected.encode():
        raise ValueError(f"{info.filename} begins with {header!r:.200}; expected is {expected}")
    return np.frombuffer(data, dtype).reshape(shape)


def _data_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _check_values(golden: Golden, num_classes: int) -> None:
    if not np.all(np.abs(golden.latents) <= LATENT_BOUND):  # NaN fails too
        raise ValueError(f"latents must be finite and within ±{LATENT_BOUND:g}")
    if golden.labels is not None and not np.all(
        (golden.labels >= 0) & (golden.labels < num_classes)
    ):
        raise ValueError(f"labels must be in 0 … {num_classes - 1}")
