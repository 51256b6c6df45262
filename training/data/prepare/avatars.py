"""Training data of the preset `avatars`: single persons of Noto Emoji, as PNG by tone or role.

avatars/light/emoji_u1f468_1f3fb.png  avatars/yellow/emoji_u1f468.png
avatars/cook/emoji_u1f468_200d_1f373.png
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from mirage.bundle.store.durable import atomic_write
from mirage.training.data.prepare.roles import role_of
from mirage.training.data.sources.image import open_picture, read_bounded
from mirage.training.errors import DataError

PREFIX = "emoji_u"
TONES = {
    "1f3fb": "light",
    "1f3fc": "medium-light",
    "1f3fd": "medium",
    "1f3fe": "medium-dark",
    "1f3ff": "dark",
}
"""Skin tones by their modifiers (Unicode Technical Standard #51, section 2.4)."""
NO_TONE = "yellow"
PERSONS = frozenset(
    """
    1f385 1f466 1f467 1f468 1f469 1f46e 1f470 1f471 1f472 1f473 1f474 1f475 1f476 1f477 1f478 1f47c
    1f481 1f482 1f486 1f487 1f575 1f645 1f646 1f647 1f64b 1f64d 1f64e 1f926 1f934 1f935 1f936 1f937
    1f977 1f9cf 1f9d1 1f9d2 1f9d3 1f9d4 1f9d5 1f9d6 1f9d9 1f9db 1f9dd 1fac5
    """.split()
)
"""First code points of emoji that show head and shoulders."""
MEMBERS = frozenset("1f466 1f467 1f468 1f469 1f476 1f9d1 1f9d2".split())
"""Code points of persons in couples and families; an emoji with two of them shows a group."""
NO_BUSTS = frozenset("1f48b 1f91d 1f9af 1f9bc 1f9bd 2764".split())
"""Code points that mark two persons or a full figure, such as a kiss, a wheelchair or a cane."""


def write_avatars(archive: Path, folder: Path, size: int, by: str = "tone") -> int:
    """Write the single persons in a ZIP of `emoji_u….png`, a folder per class; return the count.

    size: side of the PNG files in pixels. by: what the classes are, one of `CLASSES`. Raises
    DataError if the ZIP cannot be read or has no persons, or if the folder has persons by other
    classes.
    """
    _check_classes(folder, by)
    count = 0
    for name, picture in _persons(archive):
        path = folder / CLASSES[by](name) / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            shrunk(picture, size).save(file, "PNG")
        count += 1
    if not count:
        raise DataError(f"{archive} contains no persons with names like {PREFIX}1f468.png")
    return count


def _check_classes(folder: Path, by: str) -> None:
    for path in folder.glob(f"*/{PREFIX}*.png"):
        if (expected := CLASSES[by](path.name)) != path.parent.name:
            raise DataError(
                f"{path} is there; by {by} its class is {expected}: choose another folder, or "
                f"remove {folder}"
            )


def is_bust(name: str) -> bool:
    """Whether the emoji of a file name shows the head and shoulders of one person."""
    points = _code_points(name)
    several = sum(point in MEMBERS for point in points) > 1
    return points[0] in PERSONS and not several and not NO_BUSTS & set(points)


def tone_of(name: str) -> str:
    """The skin tone of the emoji of a file name."""
    return next((TONES[point] for point in _code_points(name) if point in TONES), NO_TONE)


CLASSES = {"tone": tone_of, "role": role_of}


def shrunk(picture: Image.Image, size: int) -> Image.Image:
    """Reduce a picture to RGBA of `size` x `size`; colours are weighted by their alpha.

    Below 64 pixels the Hamming kernel is used: Lanczos halos would be as wide as the drawn lines.
    """
    kernel = Image.Resampling.LANCZOS if size >= 64 else Image.Resampling.HAMMING
    return picture.convert("RGBA").resize((size, size), kernel)


def _code_points(name: str) -> list[str]:
    return Path(name).stem.removeprefix(PREFIX).split("_")


def _persons(archive: Path) -> Iterator[tuple[str, Image.Image]]:
    try:
        with zipfile.ZipFile(archive) as opened:
            for name in sorted(opened.namelist()):
                if Path(name).name.startswith(PREFIX) and name.endswith(".png") and is_bust(name):
                    with opened.open(name) as file:
                        yield name, open_picture(read_bounded(file))
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{archive} cannot be read: {error}") from error
