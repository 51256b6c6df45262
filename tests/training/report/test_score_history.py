from pathlib import Path

from mirage.bundle.format.manifest import Score
from mirage.training.evaluation.scorecard import Scorecard, write_scorecard
from mirage.training.report.score_history import score_charts
from mirage.training.runs.run_dir import Run


def card(**scores: float) -> Scorecard:
    return Scorecard(
        scores={name: Score(value=value, floor=0, n=40) for name, value in scores.items()},
        network="the classifier of digits",
        network_sha256="0" * 64,
        data_fingerprint="1" * 64,
        sizes={"generated": 40},
        full=False,
        seconds=1.0,
    )


def test_a_curve_has_the_score_of_every_snapshot_that_has_it(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.snapshots.mkdir()
    write_scorecard(run.snapshots / "000002000.scores.json", card(frechet=9, recall=0.25))
    write_scorecard(run.snapshots / "000004000.scores.json", card(frechet=5))
    (run.snapshots / "000006000.scores.json").write_text('{"frechet": 1.5}')
    write_scorecard(run.snapshots / "000008000.scores.json", card(frechet=4, recall=0.5))
    distance, shares = score_charts(run)
    assert [(s.name, list(s.x), list(s.y)) for s in distance.series] == [
        ("frechet", [2, 4, 8], [9, 5, 4])
    ]
    recall = next(series for series in shares.series if series.name == "recall")
    assert (list(recall.x), list(recall.y)) == ([2, 8], [0.25, 0.5])


def test_a_run_without_scores_has_no_curves(tmp_path: Path) -> None:
    assert not any(series.x for chart in score_charts(Run(tmp_path)) for series in chart.series)
