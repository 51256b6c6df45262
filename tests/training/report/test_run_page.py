import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.errors import DataError
from mirage.training.evaluation.scorecard import write_scorecard
from mirage.training.optim.schedule import CosineSchedule
from mirage.training.publish.gate import Check
from mirage.training.publish.job_result import JobResult, write_result
from mirage.training.report.run_page import outcome, write_report
from mirage.training.runs.run_dir import Run
from tests.training.evaluation.test_scorecard import card
from tests.training.helpers.pages import Page
from tests.training.helpers.sequences import TOKENS
from tests.training.helpers.snapshots import config_of, make_snapshot, sheet_of

SHEETS = ("real", "neighbours")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A trained run: 8,000 images seen, two sample grids, two lines of statistics."""
    run = Run(tmp_path / "digits <1>")
    snapshot = make_snapshot(run.snapshot_path(0).parent)
    gamma = CosineSchedule(
        start=1, end=0.1, to_kimg=200, then=CosineSchedule(start=0.2, end=0.2, from_kimg=300)
    )
    config = config_of().model_copy(update={"gamma": gamma})
    run.write_config(config, sheet_of(snapshot))
    for nimg in (0, 8000, 16000):
        run.save_grid(nimg, np.full((4, 8, 12, 1), nimg // 100, np.uint8), 2)
    for nimg in (4000, 8000):
        run.append_stats({"nimg": nimg, "kimg_per_s": 0.1, "d_loss": 1.0, "g_loss": 2.0})
    return run


def evaluated(run: Run) -> Run:
    """The same run with a scorecard and its sheets."""
    stem = run.snapshots / "000008000"
    write_scorecard(stem.with_suffix(".scores.json"), card())
    for name in SHEETS:
        Image.new("L", (30, 20)).save(stem.with_suffix(f".{name}.png"))
    return run


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_is_self_contained_and_well_formed(run: Run) -> None:
    page = read(write_report(evaluated(run)))
    assert page.outside == []
    assert page.open_tags == []
    assert "script" not in page.tags


def test_shows_pictures_scores_curves_data_and_configuration(run: Run) -> None:
    text = read(write_report(evaluated(run))).text
    for words in (
        "digits <1>",
        "Fréchet distance to the data is 2.5",
        "comparable only on data",
        "± 0.25",
        "Copies of the training images?",
        "Losses",
        "12 x 8 pixels, grey",
        "3: class 0, class 1, class 2",
        "relativistic",
        "1 → 0.1 from 0 to 200 kimg; from 300 kimg on 0.2",
    ):
        assert words in text


def test_a_run_of_sequences_counts_sequences(run: Run) -> None:
    config, sheet = run.read_config()
    run.config_file.unlink()
    run.write_config(config, {**sheet, **TOKENS.facts()})
    text = read(write_report(run)).text
    assert "sequences seen in training" in text
    assert "Snapshot after 8,000 sequences." in text


def test_shows_the_time_spent_in_steps(run: Run) -> None:
    assert "80 s" in read(write_report(run)).text


def test_explains_how_to_score_a_run(run: Run) -> None:
    page = read(write_report(run))
    assert "Not scored yet." in page.text
    assert "mirage evaluate" in page.text
    assert page.outside == []


def test_shows_the_outcome_of_the_job_and_the_watchdog(run: Run) -> None:
    write_result(run.path, JobResult(model="digits", outcome="refused", reasons=("too blurred",)))
    (run.path / "watchdog.json").write_text('{"first_sign": null}')
    text = read(write_report(run)).text
    assert "too blurred." in text
    assert "No sign of collapse" in text


def test_ignores_an_unknown_scorecard(run: Run) -> None:
    (run.snapshots / "000008000.scores.json").write_text('{"frechet": 1.5}')
    assert "Not scored yet." in read(write_report(run)).text


def test_shows_the_recorded_machine(run: Run) -> None:
    run.write_machine({"processor": "Abacus 3000", "threads": 2})
    assert "Abacus 3000" in read(write_report(run)).text


def test_ignores_an_incomplete_line_of_statistics(run: Run) -> None:
    with run.stats_file.open("a") as file:
        file.write(json.dumps({"nimg": 9000})[:-4])
    assert "Losses" in read(write_report(run)).text


def test_draws_a_curve_of_the_scores_of_several_snapshots(run: Run) -> None:
    write_scorecard(run.snapshots / "000004000.scores.json", card())
    assert "Fréchet distance" in read(write_report(evaluated(run))).text


def test_writes_to_the_given_file(run: Run, tmp_path: Path) -> None:
    assert write_report(run) == run.path / "report.html"
    assert write_report(run, tmp_path / "page.html") == tmp_path / "page.html"


def test_rejects_a_folder_that_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no run"):
        write_report(Run(tmp_path))


CHECKS = (
    Check(score="coverage", threshold="min_coverage", limit=0.5, value=0.25, bound=0.5),
    Check(score="frechet", threshold="max_frechet_ratio", limit=100, value=2, bound=20),
)


def result(**facts: object) -> JobResult:
    return JobResult.model_validate({"model": "digits", "outcome": "running", **facts})


def test_a_run_without_a_job_has_no_outcome() -> None:
    assert outcome(None) == ""


def test_a_rejection_shows_the_reason_and_every_check() -> None:
    reasons = (str(CHECKS[0]),)
    refused = result(outcome="refused", checks=CHECKS, reasons=reasons, released_version=3)
    page = Page(outcome(refused))
    assert page.open_tags == []
    for words in (
        "Rejected by the gate: not published",
        "coverage is 0.25; --min-coverage 0.5 asks for at least 0.5.",
        "Compared with the released digits@3.",
        "at most 20",
        "--max-frechet-ratio 100",
    ):
        assert words in page.text
    assert page.html.count(">failed<") == page.html.count(">passed<") == 1


def test_a_failure_shows_stage_and_escaped_reason() -> None:
    html = outcome(result(outcome="failed", stage="train", reasons=("<b> is no number",)))
    assert "Failed: stage train" in html
    assert "&lt;b&gt; is no number" in html


def test_names_the_published_version() -> None:
    assert "Published as digits@2" in outcome(result(outcome="published", version=2))
    assert "Released as digits@2" in outcome(result(outcome="released", version=2))
    assert "Running: stage gate" in outcome(result(stage="gate"))
