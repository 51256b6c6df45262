"""A watchdog that detects failing runs from their statistics and stops them with advice.

Each signal has limits; a signal beyond its limits for several reports in a row stops the run.
The history is kept in the run's `watchdog.json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirage.bundle.store.durable import replace_file
from mirage.training.errors import CollapseError
from mirage.training.limits import Limits

SIGNS: dict[str, tuple[str, str]] = {
    "margin": (
        "Mean logit of real images minus that of fakes: how easily they can be distinguished.",
        "The discriminator wins: raise gamma, lower its learning rate, or augment.",
    ),
    "r1_to_r2": (
        "Squared gradient norm of the discriminator at real images relative to fakes.",
        "The two penalties diverge: raise gamma, or lower the learning rate.",
    ),
    "d_gradient": (
        "Norm of the discriminator's gradient.",
        "The discriminator diverges or stalls: lower the learning rate, or raise gamma.",
    ),
    "g_gradient": (
        "Norm of the generator's gradient.",
        "The generator diverges or gets no gradient: lower the learning rate, or raise gamma.",
    ),
    "spread": (
        "Standard deviation of pixels within a class, relative to real images.",
        "The generator repeats the same sample: raise gamma, lower the learning rate, or use the"
        " relativistic loss.",
    ),
    "entropy": (
        "Entropy of the distribution over clusters of real images, relative to real images.",
        "The generator covers only a few clusters: raise gamma, use the relativistic loss, or"
        " augment.",
    ),
    "gain": (
        "PSNR of held-out pictures above that of bicubic interpolation, in dB.",
        "The network degrades pictures: lower the learning rate, or adversarial_ratio.",
    ),
    "finite": (
        "Whether every loss, penalty and gradient is finite.",
        "Training diverged: lower the learning rate, raise gamma, or use float32.",
    ),
}
VANISHED = 1e-12
"""A smaller gradient has no effect."""
LOGISTIC = {"relativistic", "non-saturating", "saturating"}
"""Losses whose logits are log-odds, so that a margin can be too large."""


class Watchdog:
    """Checks the statistics of a run; resuming does not change the result."""

    def __init__(self, path: Path, limits: Limits, loss: str, resumed_at: int = 0) -> None:
        self.path, self.limits = path, limits
        self._bounds = bounds_of(limits, loss)
        self._seen: dict[str, list[tuple[int, float]]] = {name: [] for name in SIGNS}
        self._bad: dict[str, int] = {}
        self.healthy_until = 0
        """Images seen at the last look that found every sign within its limits."""
        self.alarm: dict[str, Any] | None = None
        self._remember(resumed_at)

    def look(self, nimg: int, statistics: Mapping[str, float]) -> None:
        """Check the means of some steps; raises CollapseError if signals stay beyond limits."""
        signs = signs_of(statistics)
        for name, value in signs.items():
            self._seen[name].append((nimg, value))
        self._count(nimg, signs)
        for name, looks in self._bad.items():
            if looks >= self.limits.patience:
                self._end(name, nimg, signs[name])

    def diverged(self, nimg: int, text: str) -> None:
        """Stop a run with non-finite numbers; raises CollapseError."""
        self._end("finite", nimg, None, text)

    def write(self) -> None:
        """Write the history, for the report and for resuming."""
        signs = {
            name: {
                "text": SIGNS[name][0],
                "least": self._bounds.get(name, (None, None))[0],
                "most": self._bounds.get(name, (None, None))[1],
                "seen": seen,
            }
            for name, seen in self._seen.items()
            if seen
        }
        content = json.dumps({"first_sign": self.alarm, "signs": signs})
        replace_file(self.path, content.encode())

    def _count(self, nimg: int, signs: Mapping[str, float]) -> None:
        """Count the reports in a row for which each signal was beyond its limits."""
        bad = [] if self.limits.off else [n for n, v in signs.items() if self._is_bad(n, nimg, v)]
        self._bad = {name: self._bad.get(name, 0) + 1 for name in bad}
        if not bad:
            self.healthy_until = nimg

    def _is_bad(self, name: str, nimg: int, value: float) -> bool:
        if not is_judged(name, nimg, self.limits):
            return False
        return not is_within(value, *self._bounds.get(name, (None, None)))

    def _end(self, name: str, nimg: int, value: float | None, text: str = "") -> None:
        least, most = self._bounds.get(name, (None, None))
        limit = least if least is not None and value is not None and value < least else most
        told = text or f"{name} was {value:.4g}, {'least' if limit is least else 'most'} {limit:g}"
        self.alarm = {
            "sign": name,
            "nimg": nimg,
            "value": value,
            "threshold": limit,
            "text": text,
            "advice": SIGNS[name][1],
        }
        raise CollapseError(f"stopped after {nimg / 1000:g} kimg: {told}. {SIGNS[name][1]}")

    def _remember(self, nimg: int) -> None:
        """Restore the history up to the last checkpoint."""
        try:
            signs = json.loads(self.path.read_bytes())["signs"]
            seen = {name: [(n, v) for n, v in signs[name]["seen"] if n <= nimg] for name in signs}
        except (OSError, ValueError, KeyError, TypeError):
            self.healthy_until = nimg  # a run of before, or a damaged file: looked at from here on
            return
        looks: dict[int, dict[str, float]] = {}
        for name in SIGNS.keys() & seen.keys():
            self._seen[name] = seen[name]
            for at, value in seen[name]:
                looks.setdefault(at, {})[name] = value
        for at in sorted(looks):
            self._count(at, looks[at])


def is_judged(name: str, nimg: int, limits: Limits) -> bool:
    """Whether a signal beyond its limits counts after `nimg` images."""
    return name not in ("spread", "entropy") or nimg >= 1000 * limits.from_kimg


def is_within(value: float, least: float | None, most: float | None) -> bool:
    """Whether a value is within limits; not a number is within none."""
    return (least is None or value >= least) and (most is None or value <= most)


def bounds_of(limits: Limits, loss: str) -> dict[str, tuple[float | None, float | None]]:
    """The least and the greatest healthy value of each signal; None is no limit."""
    bounds: dict[str, tuple[float | None, float | None]] = {
        "r1_to_r2": (1 / limits.ratio, limits.ratio),
        "d_gradient": (VANISHED, limits.gradient),
        "g_gradient": (VANISHED, limits.gradient),
        "spread": (limits.spread, None),
        "entropy": (limits.entropy, None),
        "gain": (limits.gain, None),
    }
    if loss in LOGISTIC:
        bounds["margin"] = (None, limits.margin)
    return bounds


def signs_of(statistics: Mapping[str, float]) -> dict[str, float]:
    """The signals that are present in these statistics."""
    signs = {name: statistics[name] for name in SIGNS if name in statistics}
    r1, r2 = statistics.get("r1", 0.0), statistics.get("r2", 0.0)
    if r1 > 0 and r2 > 0:
        signs["r1_to_r2"] = r1 / r2
    return signs
