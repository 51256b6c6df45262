"""HTML building blocks and the style sheet of all reports, for light, dark and print."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark;
  --paper:#fcfcfa; --card:#fff; --text:#1d2129; --soft:#606873; --line:#e3e4e0;
  --ink-1:#2456c8; --ink-2:#c2571a; --ink-3:#4b8b3b;
  --real-c:#1f8f5f; --good-c:#76b041; --weak-c:#e3a21a; --broken-c:#cf3d2e; }
@media (prefers-color-scheme: dark) { :root {
  --paper:#14161a; --card:#1c1f25; --text:#e8e9eb; --soft:#9aa2ae; --line:#30343c;
  --ink-1:#7aa2ff; --ink-2:#ff9d5c; --ink-3:#8fce7a; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--paper); color:var(--text);
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif; }
main { max-width:1080px; margin:0 auto; padding:40px 24px 72px; }
h1 { font-size:34px; line-height:1.15; margin:0; letter-spacing:-.02em; overflow-wrap:anywhere; }
h2 { font-size:21px; margin:52px 0 4px; letter-spacing:-.01em; }
h3 { font-size:16px; margin:0; }
p { margin:0 0 10px; max-width:72ch; }
.soft, figcaption, .chart p, .legend { color:var(--soft); }
.facts { display:flex; flex-wrap:wrap; gap:10px 36px; margin:22px 0 0; padding:0; list-style:none; }
.facts b { display:block; font-size:20px; font-variant-numeric:tabular-nums; }
.facts span { color:var(--soft); font-size:14px; }
.banner { display:flex; flex-wrap:wrap; align-items:baseline; gap:4px 16px; max-width:none;
  margin:24px 0 0; padding:16px 20px; border-radius:12px; background:var(--card);
  border:1px solid var(--line); border-left:8px solid var(--grade,var(--line)); }
.banner b { font-size:23px; }
.real { --grade:var(--real-c); } .good { --grade:var(--good-c); }
.weak { --grade:var(--weak-c); } .broken { --grade:var(--broken-c); }
.gauge { display:grid; grid-template-columns:1fr auto; gap:2px 16px; padding:16px 0;
  border-top:1px solid var(--line); break-inside:avoid; }
.gauge p { grid-column:1/-1; margin:0; color:var(--soft); font-size:15px; max-width:none; }
.grade { padding:1px 12px; border-radius:99px; font-size:14px; align-self:center;
  color:#fff; background:var(--grade,var(--soft)); }
.grade.weak, .grade.good { color:#1d2129; } .pills { display:flex; flex-wrap:wrap; gap:6px; }
.first { --who:var(--ink-1); } .second { --who:var(--ink-2); }
.track i.second { width:12px; height:12px; margin:-6px; border-width:2px; }
.track i.first, .track i.second { background:var(--who); box-shadow:0 0 0 1.5px var(--who);
  z-index:2; }
.track { grid-column:1/-1; position:relative; height:10px; margin:12px 10px 9px; border-radius:5px;
  --faint:color-mix(in srgb, var(--card) 45%, transparent);
  background:linear-gradient(90deg, var(--faint), var(--faint)), linear-gradient(90deg,
  var(--broken-c) 0 var(--weak), var(--weak-c) var(--weak) var(--good),
  var(--good-c) var(--good) var(--real), var(--real-c) var(--real)); }
.track::after { content:""; position:absolute; right:-2px; top:-5px; width:4px; height:22px;
  background:var(--text); border-radius:2px; }
.track i { position:absolute; top:50%; width:20px; height:20px; margin:-10px; border-radius:50%;
  border:3px solid var(--card); z-index:1; }
.track .dot { background:var(--text); box-shadow:0 0 0 1.5px var(--text); z-index:2; }
.track .ring { background:transparent; border-color:var(--text); opacity:.75; width:16px;
  height:16px;
  margin:-8px; border-width:2px; }
.legend { display:flex; flex-wrap:wrap; gap:4px 22px; font-size:14px; margin:8px 0 14px;
  max-width:none; }
.legend i { display:inline-block; width:13px; height:13px; border-radius:50%; margin-right:8px;
  vertical-align:-1px; background:var(--who,var(--text)); }
.legend i.ring { background:none; border:2px solid var(--text); }
.legend i.end { width:4px; height:18px; border-radius:2px; vertical-align:-4px; }
details summary { cursor:pointer; padding:12px 0; border-top:1px solid var(--line);
  color:var(--soft); }
.charts { display:grid; grid-template-columns:repeat(auto-fill,minmax(300px,1fr)); gap:20px;
  margin-top:14px; }
figure { margin:0; break-inside:avoid; }
.chart { background:var(--card); border:1px solid var(--line); border-radius:12px; padding:14px; }
.chart p { font-size:13.5px; line-height:1.4; margin:6px 0 0; }
.chart figcaption { color:var(--text); display:flex; flex-wrap:wrap; gap:0 12px; font-size:15px; }
.key { font-size:13px; color:var(--soft); } .key::before { content:""; display:inline-block;
  width:14px; height:3px; margin:0 5px 4px 0; background:var(--c); border-radius:2px; }
svg { display:block; width:100%; height:auto; margin-top:6px; }
svg text { font-size:10.5px; fill:var(--soft); font-variant-numeric:tabular-nums; }
.rule { stroke:var(--line); fill:none; } .line { fill:none; stroke-width:1.6;
  stroke-linejoin:round; }
.pictures { display:grid; grid-template-columns:repeat(auto-fit,minmax(300px,1fr)); gap:20px;
  margin-top:14px; align-items:start; }
.pictures figure { min-width:0; }
img { display:block; width:100%; height:auto; border-radius:8px; background:#8884; }
.small img { image-rendering:pixelated; }
figcaption { font-size:14px; margin-top:6px; }
table { border-collapse:collapse; width:100%; font-size:15px; font-variant-numeric:tabular-nums; }
.scroll { overflow-x:auto; margin-top:12px; }
th, td { text-align:left; padding:6px 14px 6px 0; border-top:1px solid var(--line);
  vertical-align:top; } td { overflow-wrap:anywhere; } th { font-weight:600; }
.grid td, .grid th { white-space:nowrap; } .below { margin-top:14px; }
.columns { columns:2 400px; column-gap:48px; } .columns tr { break-inside:avoid; }
code { font-size:.92em; } footer { margin-top:56px; font-size:13.5px; color:var(--soft); }
@media print { main { padding:0; } .track,.grade,.dot,.ring,.banner { print-color-adjust:exact; } }
"""


SMALL_SIDE = 64
"""Images with sides up to this many pixels are enlarged without smoothing."""


def page(title: str, body: Iterable[str]) -> str:
    """A complete HTML document without external resources."""
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{''.join(part + chr(10) for part in body if part)}</main></body></html>\n"
    )


def section(title: str, introduction: str, content: str) -> str:
    """A heading, an introduction and the content; empty if there is no content."""
    if not content:
        return ""
    return f'<h2>{escape(title)}</h2><p class="soft">{escape(introduction)}</p>{content}'


def facts(items: Mapping[str, str]) -> str:
    """Key figures: large values with their names below."""
    cells = "".join(
        f"<li><b>{escape(v)}</b><span>{escape(k)}</span></li>" for k, v in items.items()
    )
    return f'<ul class="facts">{cells}</ul>'


def table(rows: Mapping[str, str], columns: bool = False) -> str:
    """A table of names and values; columns: flow it in as many columns as fit."""
    body = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
    css = "scroll columns" if columns else "scroll"
    return f'<div class="{css}"><table>{body}</table></div>'


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of HTML cells with a header; the first cell of a row is its name."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, *cells in rows
    )
    return f'<div class="scroll grid"><table><tr>{top}</tr>{body}</table></div>'


def pictures(figures: Mapping[str, str], side: int) -> str:
    """Show HTML images with captions side by side; side: of one image in a grid, in pixels."""
    css = "pictures small" if side <= SMALL_SIDE else "pictures"
    parts = "".join(
        f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, image in figures.items()
        if image
    )
    return f'<div class="{css}">{parts}</div>' if parts else ""


def counted(number: int) -> str:
    """Format a count: 812, 12.3 thousand, 1.45 million."""
    if number < 1000:
        return str(number)
    unit, word = (1_000_000, "million") if number >= 1_000_000 else (1_000, "thousand")
    return f"{number / unit:.3g} {word}"


def duration(seconds: float) -> str:
    """Format a duration: 45 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
