"""Every link of the documentation leads to a file and a heading that exist."""

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name_of, read


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    dead = [link for link in links(read(page)) if not leads_somewhere(page, *link)]
    assert dead == []


def leads_somewhere(page: Path, path: str, anchor: str) -> bool:
    target = (page.parent / path).resolve() if path else page
    if not (target.exists() and target.is_relative_to(ROOT)):
        return False
    return not anchor or anchor in anchors(read(target))


def test_a_dead_link_is_noticed(tmp_path: Path) -> None:
    page = ROOT / "README.md"
    assert leads_somewhere(page, "docs/upscaling.md", "scores")
    assert not leads_somewhere(page, "docs/upscaling.md", "no-such-heading")
    assert not leads_somewhere(page, "docs/no-such-page.md", "")
    assert not leads_somewhere(page, str(tmp_path), "")


def test_headings_become_anchors() -> None:
    text = "# One `two`, three\n\n```\n# no heading\n```\n\n## Twice\n\n## Twice\n"
    assert anchors(text) == {"one-two-three", "twice", "twice-1"}
