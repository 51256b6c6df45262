"""Training data of the preset `translate-small`: emoji in two styles, cropped to their content.

styles/source/1f600/1f600.png  styles/target/1f600/1f600.png

Folders are groups of emoji that differ only in gender, so that they are held out together.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from PIL import Image
from tqdm import tqdm

from mirage.bundle.store.durable import atomic_write
from mirage.training.data.groups import EMOJI, RULES
from mirage.training.data.prepare.avatars import PREFIX, TONES, shrunk
from mirage.training.data.prepare.icons import (
    CREDITS,
    Icon,
    draw_all,
    openmoji_credits,
    openmoji_icons,
)
from mirage.training.data.sources.image import open_picture, read_bounded
from mirage.training.errors import DataError

SOURCE, TARGET = "source", "target"
DRAWN = 288
"""Side of the rendered OpenMoji in pixels, before they are cropped and reduced."""
VISIBLE = 8
"""Alpha of a pixel that counts as content; shadows and smoothed edges are fainter."""
MARGIN = 24
"""Parts of a side: content has a margin of one part, two pixels of 48."""
VARIATION = "fe0f"
NOTO = (
    "Drawings in the source style: [Noto Emoji](https://github.com/googlefonts/noto-emoji) by "
    "Google, [Apache-2.0](https://www.apache.org/licenses/LICENSE-2.0)."
)


def write_styles(noto: Path, openmoji: Path, folder: Path, size: int) -> tuple[int, int, int]:
    """Write both styles as transparent PNG of `size` x `size`, without skin-tone variants.

    noto: a ZIP of `emoji_u….png`. openmoji: the archive of `npm pack openmoji`. Names the authors
    in CREDITS.md. Returns the numbers of source pictures, target pictures, and of code points that
    are in both. Raises DataError if an archive cannot be read.
    """
    source = {name: _cropped(picture, size) for name, picture in _noto(noto)}
    target = {
        name: _cropped(picture, size) for name, picture in _openmoji(openmoji, folder / ".drawn")
    }
    for style, pictures in ((SOURCE, source), (TARGET, target)):
        if not pictures:
            raise DataError(f"{noto if style == SOURCE else openmoji} has no emoji")
        for name, picture in pictures.items():
            _write(folder / style / _group(name) / f"{name}.png", picture)
    text = f"{NOTO}\n\n{openmoji_credits(openmoji)}\n"
    (folder / CREDITS).write_text(text, encoding="utf-8")
    return len(source), len(target), len(source.keys() & target.keys())


def code_of(stem: str) -> str:
    """The code points of a file name in the same form for all packages: `1f468_200d_2695`.

    Variation selectors are left out, because packages disagree on them.
    """
    points = stem.lower().removeprefix(PREFIX).replace("-", "_").split("_")
    return "_".join(point for point in points if point != VARIATION)


def _group(name: str) -> str:
    """Emoji that differ only in gender; a gender sign by itself is its own group."""
    return RULES[EMOJI](PurePosixPath(name)) or name


def _has_tone(name: str) -> bool:
    return not TONES.keys().isdisjoint(name.split("_")[1:])


def _noto(archive: Path) -> Iterator[tuple[str, Image.Image]]:
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in sorted(opened.namelist()):
                path = PurePosixPath(entry)
                name = code_of(path.stem)
                if path.name.startswith(PREFIX) and path.suffix == ".png" and not _has_tone(name):
                    with opened.open(entry) as file:
                        yield name, open_picture(read_bounded(file))
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{archive} cannot be read: {error}") from error


def _openmoji(package: Path, drawn: Path) -> Iterator[tuple[str, Image.Image]]:
    """Rendered icons; the renderings stay in the folder `drawn`, so that they are made once."""
    icons = [Icon(f"{code_of(code)}.png", svg) for code, svg in openmoji_icons(package)]
    draw_all(icons, drawn, DRAWN)
    for icon in tqdm(icons, desc="cropping", unit="icon"):
        with Image.open(drawn / icon.path) as picture:
            yield Path(icon.path).stem, picture.copy()


def _cropped(picture: Image.Image, size: int) -> Image.Image:
    """The content of a picture as RGBA of `size` x `size`, centred, in its own aspect ratio."""
    picture = picture.convert("RGBA")
    visible = picture.getchannel("A").point(lambda alpha: 255 if alpha >= VISIBLE else 0)
    left, top, right, bottom = visible.getbbox() or (0, 0, *picture.size)
    side = max(right - left, bottom - top)
    margin = side / (MARGIN - 2)
    x, y = (left + right) / 2, (top + bottom) / 2
    reach = side / 2 + margin
    box = (round(x - reach), round(y - reach), round(x + reach), round(y + reach))
    return shrunk(picture.crop(box), size)


def _write(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        picture.save(file, "PNG")
