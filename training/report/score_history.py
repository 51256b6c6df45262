"""Charts of the scores of all scored snapshots."""

from mirage.training.evaluation.scorecard import Scorecard, known_scorecard
from mirage.training.report.charts import Chart, Series
from mirage.training.runs.run_dir import Run

CHARTS = (
    ("Fréchet distance", ["frechet"], "Of the snapshots that were evaluated; lower is better."),
    (
        "Coverage and recall",
        ["coverage", "recall"],
        "Of the snapshots that were evaluated; higher is better.",
    ),
)


def score_charts(run: Run) -> list[Chart]:
    """The scores over thousands of images seen; nothing can be drawn with fewer than two."""
    files = sorted(run.snapshots.glob("[0-9]*.scores.json"))
    cards = {int(file.name.partition(".")[0]) / 1000: known_scorecard(file) for file in files}
    return [
        Chart(title, explanation, [_series(cards, name) for name in names])
        for title, names, explanation in CHARTS
    ]


def _series(cards: dict[float, Scorecard | None], name: str) -> Series:
    known = {
        kimg: card.scores[name].value
        for kimg, card in cards.items()
        if card and name in card.scores
    }
    return Series(name, list(known), list(known.values()))
