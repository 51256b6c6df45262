"""Small pictures, and archives of them."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def png(colour: object = 0, size: tuple[int, int] = (8, 8), mode: str = "L") -> bytes:
    """A picture of one colour."""
    return encode(Image.new(mode, size, colour))


def encode(picture: Image.Image, form: str = "PNG", **settings: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, form, **settings)
    return content.getvalue()


def ramp(width: int, height: int, channels: int = 3) -> np.ndarray:
    """uint8 [height, width, channels] with distinct values and without symmetry."""
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def claims(side: int) -> bytes:
    """A PNG of a few bytes whose header declares an enormous picture."""
    chunks = b"IHDR" + struct.pack(">II5B", side, side, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"")
    framed = (
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)
