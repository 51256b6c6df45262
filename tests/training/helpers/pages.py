"""Reading a page as a browser would, to see what it loads and says."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

LOADING = {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "background"}
VOID = {"meta", "img", "source", "br"}


@dataclass
class Page(HTMLParser):
    """What a page loads, its text, and the tags that were never closed."""

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
        """Everything that is not within the page itself."""
        styled = re.findall(r"url\(|@import", self.html)
        return [link for link in self.loads if not link.startswith("data:image/")] + styled
