"""The site's navigation leads to pages, and nothing is loaded from other hosts."""

from typing import Any

import yaml

from tests.docs.pages import ROOT

SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

AT = ("docs", ".")
"""Where the navigation's pages stand."""


def listed(entry: Any) -> list[str]:
    """The paths in a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    members = entry.values() if isinstance(entry, dict) else entry
    return [path for member in members for path in listed(member)]


def test_the_navigation_names_pages_that_exist_and_each_once() -> None:
    pages = listed(SITE["nav"])
    assert len(pages) == len(set(pages)) > 10
    assert [page for page in pages if not any((ROOT / at / page).is_file() for at in AT)] == []


def test_a_dead_link_fails_the_build() -> None:
    assert SITE["strict"] is True
    assert set(SITE["validation"].values()) == {"warn"}


def test_no_fonts_of_other_hosts() -> None:
    assert SITE["theme"]["font"] is False
    assert not {"extra_css", "extra_javascript"} & SITE.keys()
