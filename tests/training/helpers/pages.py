"""Parses a page to check what it loads and shows."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

LOADING = {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "background"}
VOID = {"meta", "img", "source", "br"}


@dataclass
class Page(HTMLParser):
    """The resources that a page loads, its text, and unclosed tags."""

    html: str
    loads: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open_tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in LOADING]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def outside(self) -> list[str]:
        """All references to external resources."""
        styled = re.findall(r"url\(|@import", self.html)
        return [link for link in self.loads if not link.startswith("data:image/")] + styled
