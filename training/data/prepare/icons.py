"""Renders the icons of the npm packages OpenMoji and Noto as transparent PNG, by group.

icons/openmoji/face-smiling/1F600.png  icons/noto/face-smiling/1F600.png
"""

import json
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tqdm import tqdm

from mirage.training.errors import DataError

RENDERER = "rsvg-convert"
SVG = "http://www.w3.org/2000/svg"
NAMES = "package/data/openmoji.json"
DRAWN = "package/color/svg/"
SPRITES = "package/sprites/all.svg"
VARIATION = "FE0F"
"""The emoji variation selector; the packages disagree on which names include it."""
CREDITS = "CREDITS.md"
OTHERS = "other"
"""The group of icons that OpenMoji does not have."""
LEAST_ASPECT = 0.7
"""Icons with a smaller ratio of sides are unframed flags, which are mostly flat colour."""


@dataclass(frozen=True)
class Icon:
    """path: of the PNG, relative, such as `openmoji/face-smiling/1F600.png`. svg: the drawing."""

    path: str
    svg: bytes


def write_icons(openmoji: Path, noto: Path | None, folder: Path, size: int) -> int:
    """Render every icon of the packages as PNG of `size` x `size`; return their number.

    openmoji, noto: archives made by `npm pack openmoji` and `npm pack @svgmoji/noto`. Existing
    icons are kept, so an interrupted call can be repeated. Skin-tone variants are left out. Names
    the authors in CREDITS.md. Raises DataError if an archive cannot be read, an icon cannot be
    rendered, or the renderer is missing.
    """
    groups = read_groups(openmoji)
    icons = [
        Icon(f"openmoji/{groups[code]}/{code}.png", svg) for code, svg in openmoji_icons(openmoji)
    ]
    if noto is not None:
        icons += _noto(noto, groups)
    draw_all(icons, folder, size)
    (folder / CREDITS).write_text(_credits(openmoji, noto), encoding="utf-8")
    return len(icons)


def draw_all(icons: Iterable[Icon], folder: Path, size: int) -> None:
    """Render the missing icons, with two renderer processes at a time."""
    missing = [icon for icon in icons if not (folder / icon.path).exists()]
    with ThreadPoolExecutor(2) as pool:
        drawn = pool.map(lambda icon: _draw(icon, folder, size), missing)
        for _ in tqdm(drawn, total=len(missing), desc="drawing", unit="icon"):
            pass


def _draw(icon: Icon, folder: Path, size: int) -> None:
    command = [RENDERER, "--width", str(size), "--height", str(size), "--format", "png"]
    try:
        done = subprocess.run(command, input=icon.svg, capture_output=True, check=True)
    except FileNotFoundError as error:
        reason = f"{RENDERER}, which renders the icons, is not installed (Debian: librsvg2-bin)"
        raise DataError(reason) from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()
        raise DataError(f"{icon.path} cannot be rendered: {reason}") from error
    path = folder / icon.path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(done.stdout)
    draft.replace(path)


def read_groups(openmoji: Path) -> dict[str, str]:
    """Code points -> group of each OpenMoji icon, without skin-tone variants."""
    entries = json.loads(_member(openmoji, NAMES))
    return {entry["hexcode"]: entry["subgroups"] for entry in entries if not entry["skintone"]}


def openmoji_icons(package: Path) -> Iterator[tuple[str, bytes]]:
    """Code points and SVG of each coloured OpenMoji icon, without skin-tone variants."""
    codes = read_groups(package)
    with tarfile.open(package) as archive:
        for member in archive:
            code = member.name.removeprefix(DRAWN).removesuffix(".svg")
            file = archive.extractfile(member) if member.isfile() else None
            if member.name.startswith(DRAWN) and code in codes and file:
                yield code, file.read()


def _noto(package: Path, groups: dict[str, str]) -> Iterator[Icon]:
    """The icons of Noto: nested <svg> elements of one drawing, with their code points as id."""
    ElementTree.register_namespace("", SVG)
    group_of = {_plain(code): group for code, group in groups.items()}
    tones = {f"1F3F{tone}" for tone in "BCDEF"}
    for inner in ElementTree.fromstring(_member(package, SPRITES)).iter(f"{{{SVG}}}svg"):
        code = inner.get("id")
        if code is None or tones & set(code.split("-")[1:]) or not _is_square(inner):
            continue
        group = group_of.get(_plain(code), OTHERS)
        yield Icon(f"noto/{group}/{code}.png", ElementTree.tostring(inner))


def _is_square(drawing: ElementTree.Element) -> bool:
    *_, width, height = map(float, (drawing.get("viewBox") or "0 0 1 0").split())
    return height > 0 and LEAST_ASPECT <= width / height <= 1 / LEAST_ASPECT


def _plain(code: str) -> str:
    return "-".join(part for part in code.split("-") if part != VARIATION)


def openmoji_credits(package: Path) -> str:
    """A Markdown paragraph with the licence, and every author with the number of icons."""
    entries = json.loads(_member(package, NAMES))
    authors = Counter(e["openmoji_author"].strip() for e in entries if not e["skintone"])
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(authors.items()))
    return (
        f"Icons of [OpenMoji](https://openmoji.org) {_version(package)}, "
        "[CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/), drawn as pixels. "
        f"Their authors, with the number of icons: {listed}."
    )


def _credits(openmoji: Path, noto: Path | None) -> str:
    """Markdown with the licences and the authors of all icons."""
    paragraphs = [openmoji_credits(openmoji)]
    if noto is not None:
        paragraphs.append(
            "Icons of [Noto Emoji](https://github.com/googlefonts/noto-emoji) by Google, "
            "[Apache-2.0](https://www.apache.org/licenses/LICENSE-2.0), as in @svgmoji/noto "
            f"{_version(noto)}, drawn as pixels."
        )
    return "\n\n".join(paragraphs) + "\n"


def _version(package: Path) -> str:
    version: str = json.loads(_member(package, "package/package.json"))["version"]
    return version


def _member(package: Path, name: str) -> bytes:
    try:
        with tarfile.open(package) as archive:
            file = archive.extractfile(name)
            return file.read() if file else b""
    except (OSError, KeyError, tarfile.TarError) as error:
        raise DataError(f"{package} is not an npm package with {name}") from error
