"""Pictures for the tests as files, whole ones and hostile ones."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """uint8 values that no model makes by chance."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(
    pixels: np.ndarray, kind: str = "PNG", mode: str | None = None, **options: Any
) -> bytes:
    """A picture as a file; `mode` converts it first."""
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def animated(kind: str) -> bytes:
    """Two frames."""
    first, second = (Image.new("RGB", (5, 5), colour) for colour in ("red", "blue"))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=[second], duration=100)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes, check: int | None = None) -> bytes:
    """A chunk of a PNG, by default with the right checksum."""
    crc = zlib.crc32(data, zlib.crc32(kind)) if check is None else check
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def header(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    """The first chunk of a PNG."""
    fields = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return chunk(b"IHDR", fields)


def png(*chunks: bytes) -> bytes:
    """A PNG of these chunks and an end."""
    return b"".join((SIGNATURE, *chunks, chunk(b"IEND", b"")))


def rows(width: int, height: int, channels: int = 3) -> bytes:
    """The data of a black picture."""
    return zlib.compress(bytes((1 + width * channels) * height))


def data(width: int, height: int, channels: int = 3) -> bytes:
    """The same as a chunk."""
    return chunk(b"IDAT", rows(width, height, channels))


def archive(**entries: bytes) -> bytes:
    """A ZIP; `__` in a name stands for a slash, and `_` for a dot."""
    named = {name.replace("__", "/").replace("_", "."): body for name, body in entries.items()}
    return zipped(named)


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP of these names and bodies."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, body in entries.items():
            file.writestr(zipfile.ZipInfo(name), body, method)
    return buffer.getvalue()


def form(boundary: str, *parts: tuple[str, bytes], end: bytes = b"--\r\n") -> bytes:
    """The body of a form: headers and value of each part."""
    written = [
        b"--" + boundary.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"
        for head, value in parts
    ]
    return b"".join(written) + b"--" + boundary.encode() + end


def enlarge(client: TestClient, body: bytes, accept: str = "*/*", **query: object) -> Any:
    """The answer to a picture."""
    return client.post("/upscale", content=body, params=query, headers={"accept": accept})  # type: ignore[arg-type]
