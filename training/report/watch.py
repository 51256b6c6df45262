"""What the watchdog of a run saw: the signs, their limits, and the first that left them."""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

from pydantic import BaseModel, ValidationError

from mirage.training.report.chart import Series, line_chart


class Sign(BaseModel):
    """One sign: what it tells, its limits, and pairs of images seen and value."""

    text: str = ""
    least: float | None = None
    most: float | None = None
    seen: list[tuple[int, float | None]] = []


class Alarm(BaseModel):
    """The first sign that left its limits, and what to change."""

    sign: str
    nimg: int
    value: float | None = None
    threshold: float | None = None
    text: str = ""
    advice: str = ""


class Watch(BaseModel):
    """The content of `watchdog.json`; what is missing there is empty here."""

    first_sign: Alarm | None = None
    signs: dict[str, Sign] = {}


def read_watch(path: Path) -> Watch | None:
    """What the watchdog wrote; None when it wrote nothing that can be read."""
    try:
        return Watch.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError):
        return None


def watched(watch: Watch | None) -> str:
    """The alarm, if there was one, and a chart for each sign; empty without a watchdog."""
    if not watch:
        return ""
    charts = "".join(_chart(name, sign) for name, sign in watch.signs.items())
    return _alarm(watch.first_sign) + (f'<div class="charts">{charts}</div>' if charts else "")


def _alarm(alarm: Alarm | None) -> str:
    if not alarm:
        return '<p class="banner real"><b>Healthy</b><span>No sign left its limits.</span></p>'
    return (
        f'<p class="banner broken"><b>Stopped after {alarm.nimg / 1000:,.1f} kimg</b>'
        f"<span>{escape(' '.join(_told(alarm)))}</span></p>"
    )


def _told(alarm: Alarm) -> Iterator[str]:
    limit = "" if alarm.threshold is None else f", the limit {alarm.threshold:.4g}"
    value = "no number" if alarm.value is None else f"{alarm.value:.4g}"
    yield f"{_name(alarm.sign).capitalize()} was {value}{limit}."
    yield alarm.text
    yield alarm.advice


def _chart(name: str, sign: Sign) -> str:
    known = [(nimg / 1000, value) for nimg, value in sign.seen if value is not None]
    kimg, values = [x for x, _ in known], [y for _, y in known]
    limits = {"at least": sign.least, "at most": sign.most}
    told = [f"{words} {limit:g}" for words, limit in limits.items() if limit is not None]
    drawn = [
        Series(words, [kimg[0], kimg[-1]], [limit, limit])
        for words, limit in limits.items()
        if limit is not None and kimg and _near(limit, values)
    ]
    allowed = f"Allowed: {', '.join(told)}." if told else ""
    explanation = f"{sign.text} {allowed}".strip()
    return line_chart(_name(name).capitalize(), explanation, [Series("seen", kimg, values), *drawn])


def _near(limit: float, values: list[float]) -> bool:
    """Whether a line at the limit would leave the curve room to be seen."""
    low, high = min(values), max(values)
    room = 2 * max(high - low, abs(high) / 4)
    return low - room <= limit <= high + room


def _name(sign: str) -> str:
    return sign.replace("_", " ")
