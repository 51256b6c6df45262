import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from mirage.training.data.prepare.icons import write_icons
from mirage.training.errors import DataError

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><path d="M0 0h9v9z"/></svg>'
NAMES = [
    {"hexcode": "1F600", "subgroups": "face-smiling", "skintone": "", "openmoji_author": "Ann Ode"},
    {
        "hexcode": "270C-FE0F",
        "subgroups": "hand-fingers-partial",
        "skintone": "",
        "openmoji_author": " Cat H. Ode",
    },
    {
        "hexcode": "270C-1F3FB",
        "subgroups": "hand-fingers-partial",
        "skintone": "1",
        "openmoji_author": "Nobody",
    },
]
VERSION = json.dumps({"version": "1.2.3"})
SPRITES = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2000 2000">
<svg id="270C" viewBox="0 0 128 128"><path d="M0 0h9v9z"/></svg>
<svg id="270C-1F3FB" viewBox="0 0 128 128"/>
<svg id="E000" viewBox="0 0 128 128"/>
<svg id="1F1E6-1F1E8" viewBox="0 0 1200 600"/>
</svg>"""
RENDERER = """#!/bin/sh
if grep -q broken; then echo 'no drawing' >&2; exit 1; fi
printf 'png of %s' "$2"
"""


def package(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def openmoji(tmp_path: Path) -> Path:
    files = {f"color/svg/{entry['hexcode']}.svg": SVG for entry in NAMES}
    facts = {"data/openmoji.json": json.dumps(NAMES), "package.json": VERSION}
    return package(tmp_path / "o.tgz", {**facts, **files})


@pytest.fixture
def noto(tmp_path: Path) -> Path:
    return package(tmp_path / "n.tgz", {"sprites/all.svg": SPRITES, "package.json": VERSION})


@pytest.fixture
def renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the renderer that prints its arguments."""
    path = tmp_path / "bin" / "rsvg-convert"
    path.parent.mkdir()
    path.write_text(RENDERER)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)
    return path


@pytest.mark.usefixtures("renderer")
def test_writes_icons_to_folders_by_group(openmoji: Path, noto: Path, tmp_path: Path) -> None:
    assert write_icons(openmoji, noto, tmp_path / "icons", 256) == 4
    found = sorted(str(p.relative_to(tmp_path / "icons")) for p in tmp_path.rglob("icons/**/*.png"))
    assert found == [
        "noto/hand-fingers-partial/270C.png",  # the same icon, with and without its variation
        "noto/other/E000.png",
        "openmoji/face-smiling/1F600.png",
        "openmoji/hand-fingers-partial/270C-FE0F.png",
    ]


@pytest.mark.usefixtures("renderer")
def test_renders_icons_at_the_requested_size(openmoji: Path, tmp_path: Path) -> None:
    write_icons(openmoji, None, tmp_path / "icons", 99)
    assert (tmp_path / "icons/openmoji/face-smiling/1F600.png").read_text() == "png of 99"


@pytest.mark.usefixtures("renderer")
def test_every_author_and_licence_is_named(openmoji: Path, noto: Path, tmp_path: Path) -> None:
    write_icons(openmoji, noto, tmp_path / "icons", 9)
    text = (tmp_path / "icons" / "CREDITS.md").read_text()
    for part in ("Ann Ode (1), Cat H. Ode (1).", "1.2.3", "CC BY-SA 4.0"):
        assert part in text
    assert "Apache-2.0" in text
    assert "Nobody" not in text
    write_icons(openmoji, None, tmp_path / "icons", 9)
    assert "Apache-2.0" not in (tmp_path / "icons" / "CREDITS.md").read_text()


@pytest.mark.usefixtures("renderer")
def test_keeps_existing_icons(openmoji: Path, tmp_path: Path) -> None:
    write_icons(openmoji, None, tmp_path / "icons", 99)
    kept = tmp_path / "icons/openmoji/face-smiling/1F600.png"
    kept.write_text("kept")
    write_icons(openmoji, None, tmp_path / "icons", 99)
    assert kept.read_text() == "kept"


@pytest.mark.usefixtures("renderer")
def test_names_a_drawing_that_cannot_be_rendered(tmp_path: Path) -> None:
    files = {"data/openmoji.json": json.dumps(NAMES), "color/svg/1F600.svg": "broken"}
    with pytest.raises(DataError, match=r"openmoji/face-smiling/1F600\.png .* no drawing"):
        write_icons(package(tmp_path / "o.tgz", files), None, tmp_path / "icons", 9)


def test_names_a_missing_renderer(
    openmoji: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="librsvg2-bin"):
        write_icons(openmoji, None, tmp_path / "icons", 9)


def test_rejects_another_package(noto: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"n\.tgz is not an npm package with package/data/openmoji"):
        write_icons(noto, None, tmp_path / "icons", 9)
