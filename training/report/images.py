"""Images embedded in a page: PNG for stills, animated WebP for the progress of training."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_FRAMES = 48
FILM_SIDE = 800
FILM_BYTES = 2 << 20
FRAME_MS = 160
LAST_FRAME_MS = 2_000
Film = tuple[bytes, tuple[int, int]]
"""An animated WebP, and its width and height in pixels."""


def still(image: np.ndarray, description: str) -> str:
    """An HTML image of uint8 [H, W, C]."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "PNG", optimize=True)
    return _img(file.getvalue(), "png", image.shape[1], image.shape[0], description)


def still_of(path: Path, description: str) -> str:
    """An HTML image of a PNG file."""
    with Image.open(path) as image:
        return still(np.atleast_3d(np.asarray(image)), description)


def film(frames: Sequence[Path], description: str, recorded: Path | None = None) -> str:
    """A looping animation of PNG files of one size, at most 48 frames and 2 MiB.

    recorded: an animated WebP of the frames, used if it exists and is not too large. Readers who
    prefer reduced motion see the last frame. Empty without frames.
    """
    if not frames:
        return ""
    content, size = _read_film(recorded) or _make_film(frames)
    last = base64.b64encode(frames[-1].read_bytes()).decode()
    source = (
        f'<source media="(prefers-reduced-motion: reduce)" srcset="data:image/png;base64,{last}">'
    )
    return f"<picture>{source}{_img(content, 'webp', *size, description)}</picture>"


def _read_film(path: Path | None) -> Film | None:
    if not path or not path.exists() or path.stat().st_size > FILM_BYTES:
        return None
    try:
        with Image.open(path, formats=["WEBP"]) as image:
            return path.read_bytes(), image.size
    except (OSError, UnidentifiedImageError):
        return None


def _make_film(frames: Sequence[Path]) -> Film:
    count = min(len(frames), MAX_FRAMES)
    while True:
        chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, count).round().astype(int)]
        content, size = _animation(chosen)
        if len(content) <= FILM_BYTES or count == 1:
            return content, size
        count //= 2


def _animation(paths: Sequence[Path]) -> Film:
    images = [_frame(path) for path in paths]
    times = [FRAME_MS] * (len(images) - 1) + [LAST_FRAME_MS]
    file = io.BytesIO()
    images[0].save(
        file, "WEBP", save_all=True, append_images=images[1:], duration=times, loop=0, quality=70
    )
    return file.getvalue(), images[0].size


def _frame(path: Path) -> Image.Image:
    with Image.open(path) as image:
        frame = image.convert("RGBA" if image.has_transparency_data else "RGB")
    frame.thumbnail((FILM_SIDE, FILM_SIDE))
    return frame


def _img(content: bytes, format: str, width: int, height: int, description: str) -> str:
    data = base64.b64encode(content).decode()
    return (
        f'<img src="data:image/{format};base64,{data}" width="{width}" height="{height}" '
        f'alt="{escape(description)}">'
    )
