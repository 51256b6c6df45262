"""Pictures in files, and what the toy upscaler makes of them."""

import io
from pathlib import Path

import numpy as np
import PIL.Image

from tests.upscalers import ToyUpscaler


def pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise, uint8 `[height, width, 3]`."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(values: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


def write(path: Path, height: int, width: int, kind: str = "PNG", seed: int = 0) -> Path:
    """A picture in a file; creates its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pixels(height, width, seed), kind))
    return path


def decoded(png: bytes) -> np.ndarray:
    """The pixels of a PNG."""
    return np.asarray(PIL.Image.open(io.BytesIO(png), formats=("PNG",)))


def enlarged(values: np.ndarray) -> np.ndarray:
    """What the model `larger` makes of one picture."""
    return ToyUpscaler().images(values[None])[0]


def files(root: Path) -> dict[str, bytes]:
    """The contents of all files of a folder, hidden ones too."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}
