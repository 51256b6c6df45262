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
from mirage.bundle.interface import Tensor
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
    """What goes in and what comes out: eight items of each of the manifest's tensors.

    `inputs` stand by name in the manifest's order; `images` are uint8 `[8, H, W, C]`.
    """

    inputs: dict[str, np.ndarray]
    images: np.ndarray


def golden_inputs(latent_dim: int, num_classes: int) -> dict[str, np.ndarray]:
    """The 8 latents of seed 0, and the labels 0, 1, 2 … cyclic of a conditional model."""
    latents, _ = draw_latents(GOLDEN_SEED, 0, GOLDEN_COUNT, latent_dim)
    inputs = {"latents": latents}
    if num_classes:
        inputs["labels"] = np.arange(GOLDEN_COUNT, dtype=np.int64) % num_classes
    return inputs


def write_golden(path: Path, golden: Golden) -> None:
    """Write `golden.npz`; the same arrays give the same bytes."""
    latents, *others = golden.inputs.items()
    arrays = dict([latents, ("images", golden.images), *others])
    np.savez_compressed(path, allow_pickle=False, **arrays)


def read_golden(raw: bytes, manifest: Manifest, limits: Limits = DEFAULT_LIMITS) -> Golden:
    """Read `golden.npz` as the manifest says that it must be.

    Raises BundleError `golden_invalid`.
    """
    try:
        _check_directory(raw)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            golden = _read_arrays(archive, manifest, limits.golden_bytes)
        _check_values(golden, manifest)
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
    described = {tensor.name: _described(tensor) for tensor in manifest.tensors}
    if _data_bytes(*described["images"]) > limit_bytes:
        raise ValueError(f"images as the manifest says take over {limit_bytes} bytes, the limit")
    found, expected = sorted(archive.namelist()), sorted(f"{name}.npy" for name in described)
    if found != expected:
        raise ValueError(f"holds {found!r:.200}; expected are {expected}")
    arrays = {name: _read_array(archive, name, *described[name]) for name in described}
    return Golden({each.name: arrays[each.name] for each in manifest.inputs}, arrays["images"])


def _described(tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    """The type and the shape in the header of a tensor's array."""
    sizes = (size or 0 for size in tensor.sizes[1:])
    return np.dtype(tensor.dtype).newbyteorder("<").str, (GOLDEN_COUNT, *sizes)


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


def _check_values(golden: Golden, manifest: Manifest) -> None:
    for tensor in manifest.inputs:
        values = golden.inputs[tensor.name]
        if tensor.meaning == "latents" and not np.all(np.abs(values) <= LATENT_BOUND):  # or NaN
            raise ValueError(f"{tensor.name} must be finite and within ±{LATENT_BOUND:g}")
        if tensor.meaning == "labels" and not np.all(
            (values >= 0) & (values < manifest.num_classes)
        ):
            raise ValueError(f"{tensor.name} must be in 0 … {manifest.num_classes - 1}")
