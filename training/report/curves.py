"""The statistics of a run as small charts, each with what to look for."""

from collections.abc import Sequence
from typing import Any

from mirage.training.report.chart import Series, line_chart

Lines = Sequence[dict[str, Any]]

CHARTS = (
    (
        "Losses",
        {"d_loss": "discriminator", "g_loss": "generator"},
        "Both stay level when neither network overpowers the other.",
    ),
    (
        "Margin",
        {"margin": "margin"},
        "How surely real and generated images are told apart: falling is progress, a steep rise "
        "a warning.",
    ),
    (
        "Gradient penalties",
        {"r1": "R1, real images", "r2": "R2, generated images"},
        "Of one size when training is balanced.",
    ),
    (
        "Content",
        {"content": "content loss"},
        "Distance to the true pictures; it falls, and rises a little once a game is played.",
    ),
    (
        "Fidelity",
        {"psnr": "PSNR in dB"},
        "Of the luma of the sample grid, which is held out.",
    ),
    (
        "Gain",
        {"gain": "dB above bicubic"},
        "What the network adds to plain interpolation.",
    ),
    ("The game's share", {"adversarial_ratio": "adversarial ratio"}, "As configured."),
    ("Learning rate", {"lr": "learning rate"}, "As configured."),
    ("Penalty weight", {"gamma": "gamma"}, "As configured."),
    (
        "Averaging",
        {"ema_half_life_kimg": "half-life"},
        "Half-life of the averaged generator, kimg.",
    ),
    ("Second moment", {"beta2": "beta 2"}, "Of the optimizers, as configured."),
    ("Speed", {"kimg_per_s": "kimg/s"}, "Thousands of images per second, on this machine."),
)
KNOWN = {key for _, keys, _ in CHARTS for key in keys} | {"nimg"}


def charts(lines: Lines) -> str:
    """Every statistic that the run recorded: the known ones explained, others by their names."""
    drawn = [_chart(lines, *chart) for chart in CHARTS]
    drawn += [_chart(lines, key, {key: key}, "") for key in _others(lines)]
    return f'<div class="charts">{"".join(drawn)}</div>' if any(drawn) else ""


def _others(lines: Lines) -> list[str]:
    numbers = {k for line in lines for k, v in line.items() if isinstance(v, int | float)}
    return sorted(numbers - KNOWN)


def _chart(lines: Lines, title: str, keys: dict[str, str], explanation: str) -> str:
    return line_chart(title, explanation, [_series(lines, key, name) for key, name in keys.items()])


def _series(lines: Lines, key: str, name: str) -> Series:
    having = [line for line in lines if isinstance(line.get(key), int | float)]
    return Series(name, [line["nimg"] / 1000 for line in having], [line[key] for line in having])
