"""Golden images: inputs and the outputs that the trained network computed of them, `golden.npz`.

An engine must reproduce them before it serves. The file is untrusted: it is read without pickle,
and sizes are checked before anything is decompressed.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirage.bundle.errors import BundleError
from mirage.bundle.format.interface import Tensor
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.limits import DEFAULT_LIMITS, Limits
from mirage.bundle.format.manifest import Manifest, PictureModel
from mirage.bundle.format.outputs import output_of

GOLDEN_COUNT = 8
GOLDEN_SEED = 0
HEADER_BYTES = 1024  # of one array, at most
END_BYTES = 22  # the record that ends a ZIP archive without a comment
LISTING_BYTES = 1024
LATENT_BOUND = 100.0

ArrayKind = tuple[str, tuple[int, ...]]  # the type and the shape in an array's header


# Heights and widths of golden pictures, in units of the manifest's `multiple`: the smallest, odd
# ones, a strip, and one that takes several tiles.
PICTURE_SIZES = ((1, 1), (7, 5), (2, 65), (33, 50), (129, 97))
TILE_CORE = (
    16  # what is used of a tile in replay, in units of `multiple`: several up to a halo of 40
)


@dataclass(frozen=True)
class Case:
    """One call of the model.

    inputs: arrays by name, in the manifest's order. output: `[N, …]` as the manifest's output,
    whose name is `name`; N is 8 for latents and 1 for pictures.
    """

    inputs: dict[str, np.ndarray]
    output: np.ndarray
    name: str = "images"


@dataclass(frozen=True)
class Golden:
    """The cases of a model: one for latents, or one for each of `PICTURE_SIZES`."""

    cases: tuple[Case, ...]


def golden_inputs(latent_dim: int, num_classes: int) -> dict[str, np.ndarray]:
    """The first 8 latents of seed 0; for conditional models also labels 0, 1, 2 … cyclically."""
    latents, _ = draw_latents(GOLDEN_SEED, 0, GOLDEN_COUNT, latent_dim)
    inputs = {"latents": latents}
    if num_classes:
        inputs["labels"] = np.arange(GOLDEN_COUNT, dtype=np.int64) % num_classes
    return inputs


def write_golden(path: Path, golden: Golden) -> None:
    """Write `golden.npz`; equal arrays give equal bytes."""
    arrays: dict[str, np.ndarray] = {}
    for number, case in enumerate(golden.cases):
        suffix = f"_{number}" if len(golden.cases) > 1 else ""
        first, *others = case.inputs.items()
        for name, values in (first, (case.name, case.output), *others):
            arrays[f"{name}{suffix}"] = values
    np.savez_compressed(path, allow_pickle=False, **arrays)


def golden_pictures(channels: int, multiple: int = 1) -> Iterator[np.ndarray]:
    """Yield the golden pictures uint8 `[1, H, W, C]`: fixed pseudo-random blocks with noise."""
    for number, (height, width) in enumerate(PICTURE_SIZES):
        random = np.random.Generator(np.random.Philox(key=[GOLDEN_SEED, number]))
        shape = (1, height * multiple, width * multiple, channels)
        steps = random.integers(0, 256, (1, -(-shape[1] // 4), -(-shape[2] // 4), channels))
        blocks = steps.repeat(4, axis=1).repeat(4, axis=2)[:, : shape[1], : shape[2]]
        noise = random.integers(0, 256, shape)
        yield ((3 * blocks + noise) // 4).astype(np.uint8)


def golden_tile(pictures: PictureModel) -> int:
    """The side in pixels of the tiles in which the largest golden picture is replayed.

    Two halos and a core, so small that there are tiles without any border of the picture.
    """
    core = TILE_CORE * pictures.multiple
    return 2 * pictures.halo + -2 * pictures.halo % pictures.multiple + core


def read_golden(raw: bytes, manifest: Manifest, limits: Limits = DEFAULT_LIMITS) -> Golden:
    """Read `golden.npz`; raises BundleError `golden_invalid` unless it matches the manifest."""
    try:
        _check_directory(raw)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            golden = _read_arrays(archive, manifest, limits.golden_bytes)
        _check_values(golden, manifest)
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError("golden_invalid", f"golden.npz: {error}") from None
    return golden


def _check_directory(raw: bytes) -> None:
    """Raise ValueError unless the archive ends with a short central directory.

    `zipfile` creates an object for each entry on opening, before the entries can be counted.
    """
    end = raw[-END_BYTES:]
    listing_bytes = int.from_bytes(end[12:16], "little")
    is_zip64 = raw[-END_BYTES - 20 :].startswith(b"PK\x06\x07")
    if not end.startswith(b"PK\x05\x06") or is_zip64 or listing_bytes > LISTING_BYTES:
        raise ValueError("is no ZIP archive, or cut short, or lists too many files")


def _read_arrays(archive: zipfile.ZipFile, manifest: Manifest, limit_bytes: int) -> Golden:
    cases = list(_described_cases(manifest))
    described = {name: kind for case in cases for name, kind in case.items()}
    if sum(_data_bytes(*kind) for kind in described.values()) > limit_bytes:
        raise ValueError(f"arrays as the manifest says take over {limit_bytes} bytes, the limit")
    found, expected = sorted(archive.namelist()), sorted(f"{name}.npy" for name in described)
    if found != expected:
        raise ValueError(f"holds {found!r:.200}; expected are {expected}")
    arrays = {name: _read_array(archive, name, *described[name]) for name in described}
    return Golden(tuple(_case(manifest, [arrays[name] for name in case]) for case in cases))


def _case(manifest: Manifest, arrays: Sequence[np.ndarray]) -> Case:
    """The arrays of one case, inputs first and in the manifest's order."""
    *inputs, output = arrays
    names = (tensor.name for tensor in manifest.inputs)
    return Case(dict(zip(names, inputs, strict=True)), output, manifest.outputs[0].name)


def _described_cases(manifest: Manifest) -> Iterator[dict[str, ArrayKind]]:
    """The dtype and shape of each array of each case, by name, in the manifest's order."""
    if manifest.pictures is None:
        yield {each.name: _described(each, GOLDEN_COUNT, {}) for each in manifest.tensors}
        return
    multiple, scale = manifest.pictures.multiple, manifest.pictures.scale
    for number, (height, width) in enumerate(PICTURE_SIZES):
        sides = {"H": height * multiple, "W": width * multiple}
        sides |= {f"{scale}*{axis}": scale * pixels for axis, pixels in sides.items()}
        yield {f"{each.name}_{number}": _described(each, 1, sides) for each in manifest.tensors}


def _described(tensor: Tensor, count: int, sides: Mapping[str, int]) -> ArrayKind:
    axes = (axis if isinstance(axis, int) else sides[axis] for axis in tensor.shape[1:])
    return np.dtype(tensor.dtype).newbyteorder("<").str, (count, *axes)


def _read_array(
    archive: zipfile.ZipFile, name: str, dtype: str, shape: tuple[int, ...]
) -> np.ndarray:
    """Read one array; its header must equal the expected text, so that it need not be parsed."""
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
        values = golden.cases[0].inputs[tensor.name]
        if tensor.meaning == "latents" and not np.all(np.abs(values) <= LATENT_BOUND):  # or NaN
            raise ValueError(f"{tensor.name} must be finite and within ±{LATENT_BOUND:g}")
        if tensor.meaning == "labels" and not np.all(
            (values >= 0) & (values < manifest.num_classes)
        ):
            raise ValueError(f"{tensor.name} must be in 0 … {manifest.num_classes - 1}")
    largest = output_of(manifest).largest(manifest)
    if golden.cases[0].output.max() > largest:
        raise ValueError(f"{manifest.outputs[0].name} must be at most {largest}")
