"""The frame of every page, and its plain parts."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from mirage.training.report.style import STYLE

SMALL_SIDE = 64
"""Images of at most this many pixels a side are enlarged without smoothing."""


def page(title: str, body: Iterable[str]) -> str:
    """A whole HTML document that loads nothing."""
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{''.join(part + chr(10) for part in body if part)}</main></body></html>\n"
    )


def section(title: str, introduction: str, content: str) -> str:
    """A heading, a sentence and what follows; nothing at all without content."""
    if not content:
        return ""
    return f'<h2>{escape(title)}</h2><p class="soft">{escape(introduction)}</p>{content}'


def facts(items: Mapping[str, str]) -> str:
    """Large figures with their names below."""
    cells = "".join(
        f"<li><b>{escape(v)}</b><span>{escape(k)}</span></li>" for k, v in items.items()
    )
    return f'<ul class="facts">{cells}</ul>'


def table(rows: Mapping[str, str], columns: bool = False) -> str:
    """Names and values; with `columns` in as many columns as the page is wide."""
    body = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
    css = "scroll columns" if columns else "scroll"
    return f'<div class="{css}"><table>{body}</table></div>'


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with several columns of HTML values; its first is the rows' names."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, *cells in rows
    )
    return f'<div class="scroll grid"><table><tr>{top}</tr>{body}</table></div>'


def pictures(figures: Mapping[str, str], side: int) -> str:
    """HTML images by caption, side by side; `side` is that of one image in them, in pixels."""
    css = "pictures small" if side <= SMALL_SIDE else "pictures"
    parts = "".join(
        f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, image in figures.items()
        if image
    )
    return f'<div class="{css}">{parts}</div>' if parts else ""


def counted(number: int) -> str:
    """812, 12.3 thousand, 1.45 million."""
    if number < 1000:
        return str(number)
    unit, word = (1_000_000, "million") if number >= 1_000_000 else (1_000, "thousand")
    return f"{number / unit:.3g} {word}"


def duration(seconds: float) -> str:
    """45 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
