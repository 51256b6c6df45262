"""The pages of the documentation, as text: their code, links and headings."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "examples/*.md",
        "client/*.md",
        "models/*.md",
        "deploy/helm/*/*.md",
    )
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


def name_of(page: Path) -> str:
    """The path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(text: str, *languages: str) -> list[str]:
    """The code blocks in some languages; "" is a block that names none."""
    return [code for language, code in BLOCK.findall(text) if language in languages]


def section(text: str, heading: str) -> str:
    """The text below a heading of the second level."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def prose(text: str) -> str:
    """A page without code."""
    return CODE.sub("", BLOCK.sub("", text))


def links(text: str) -> Iterator[tuple[str, str]]:
    """Path and anchor of each link and image that stays in the repository."""
    for path, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", prose(text)):
        if "://" not in path:
            yield path, anchor


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, by the rule of GitHub."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", BLOCK.sub("", text), re.MULTILINE):
        words = unicodedata.normalize("NFC", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        repeated = [f"{anchor}-{number}" for number in range(1, 100)]
        found.add(next(name for name in [anchor, *repeated] if name not in found))
    return found
