"""The report of a run: result, scores, curves, data and configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from mirage.bundle.store.durable import replace_file
from mirage.training.config import TrainConfig
from mirage.training.evaluation.scorecard import Scorecard, known_scorecard, notes, scores_file
from mirage.training.media.reading import noun_of
from mirage.training.optim.schedule import CosineSchedule
from mirage.training.publish.gate import Check, flag
from mirage.training.publish.job_result import JobResult, read_result
from mirage.training.report.about import ABOUT, About
from mirage.training.report.charts import Lines, charts, drawn, read_watch, watched
from mirage.training.report.images import film, still_of
from mirage.training.report.page import (
    counted,
    duration,
    facts,
    grid,
    page,
    pictures,
    section,
    table,
)
from mirage.training.report.score_gauges import banner, gauges, verdict
from mirage.training.report.score_history import score_charts
from mirage.training.runs.checkpoint import parameter_counts
from mirage.training.runs.run_dir import Run

STYLES = {"released": "real", "published": "real", "refused": "broken", "failed": "broken"}


def outcome(result: JobResult | None) -> str:
    """The outcome of the job and the gate's checks; empty for a run without a job."""
    return f"{_banner(result)}{_checks(result)}" if result else ""


def _banner(result: JobResult) -> str:
    reasons = "".join(f"<span>{escape(reason)}.</span>" for reason in result.reasons)
    css = STYLES.get(result.outcome, "")
    return f'<p class="banner {css}"><b>{escape(headline(result))}</b>{reasons}</p>'


def headline(result: JobResult) -> str:
    """How far the job has come, or how it ended."""
    match result.outcome:
        case "released" | "published":
            return f"{result.outcome.capitalize()} as {result.model}@{result.version}"
        case "refused":
            return "Rejected by the gate: not published"
        case "failed":
            return f"Failed: stage {result.stage}" if result.stage else "Failed"
    return f"Running: stage {result.stage}" if result.stage else "Running"


def _checks(result: JobResult) -> str:
    if not result.checks:
        return ""
    compared = ""
    if result.released_version is not None:
        released = f"{result.model}@{result.released_version}"
        compared = f'<p class="soft below">Compared with the released {escape(released)}.</p>'
    head = ("score", "value", "required", "", "threshold")
    return compared + grid(head, (tuple(_row(check)) for check in result.checks))


def _row(check: Check) -> Iterator[str]:
    yield escape(check.score)
    yield f"{check.value:.4g}"
    yield f"{'at most' if check.lower_is_better else 'at least'} {check.bound:.4g}"
    css, word = ("real", "passed") if check.passed else ("broken", "failed")
    yield f'<b class="grade {css}">{word}</b>'
    yield f"<code>{flag(check.threshold)} {check.limit:g}</code>"


@dataclass(frozen=True)
class ReportContent:
    """Everything that the report of a run shows."""

    run: Run
    config: TrainConfig
    data: dict[str, Any]
    lines: Lines
    snapshot: Path
    card: Scorecard | None

    @property
    def name(self) -> str:
        """The run's folder."""
        return self.run.path.resolve().name

    @property
    def nimg(self) -> int:
        """Images seen by the snapshot."""
        return int(self.snapshot.stem)

    @property
    def noun(self) -> str:
        """What the samples are called."""
        return noun_of(self.data)

    @property
    def about(self) -> About:
        """The parts of the report for the run's task."""
        return ABOUT[self.config.task]


def write_report(run: Run, to: Path | None = None) -> Path:
    """Write the report of a run's newest scored snapshot, else of its newest; returns the path.

    to: default `report.html` in the run. Raises DataError if the folder is not a run or has no
    snapshot.
    """
    content = _read(run)
    path = to or run.path / "report.html"
    replace_file(path, page(content.name, _body(content)).encode())
    return path


def _read(run: Run) -> ReportContent:
    config, data = run.read_config()
    snapshot = run.latest_snapshot()
    scored = sorted(run.snapshots.glob("[0-9]*.scores.json"))
    if scored:
        snapshot = scored[-1].with_name(scored[-1].name.replace(".scores.json", ".safetensors"))
    return ReportContent(
        run, config, data, run.read_stats(), snapshot, known_scorecard(scores_file(snapshot))
    )


def _body(content: ReportContent) -> Iterator[str]:
    yield f"<h1>{escape(content.name)}</h1>"
    yield facts(_facts(content))
    yield banner(_verdict(content))
    yield section("Job", "Result of the retraining job.", outcome(read_result(content.run.path)))
    yield section("Pictures", content.about.grid(content.data), _pictures(content))
    yield section("Scores", SCORES, _scores(content))
    yield section("Copies of the training images?", NEIGHBOURS, _neighbours(content))
    yield section("Curves", "Over thousands of images seen (kimg).", _curves(content))
    yield section("Watchdog", WATCHDOG, watched(read_watch(content.run.path / "watchdog.json")))
    yield section("Data", "The training data.", table(content.about.data(content.data)))
    yield section("Configuration", "All settings of the run.", _configuration(content))
    yield f"<footer>Snapshot after {content.nimg:,} {content.noun}.</footer>"


SCORES = "The right end of each scale is the score of real data."
NEIGHBOURS = (
    "Samples, with the most similar training image below each. Identical images are copies."
)

WATCHDOG = "Signals of collapse; training stops when one exceeds its limit."


def _verdict(content: ReportContent) -> Any:
    return verdict(content.card.scores, content.card.collapsed) if content.card else None


def _facts(content: ReportContent) -> dict[str, str]:
    generator = parameter_counts(content.snapshot).get("generator", 0)
    found = {
        **content.about.facts(content.data),
        f"{content.noun} seen in training": counted(content.nimg),
        "parameters of the generator": counted(generator),
    }
    if content.lines:
        found["training time"] = duration(training_seconds(content.lines, content.nimg))
    return found


def training_seconds(lines: Lines, until: int) -> float:
    """Time spent in training steps, without interruptions."""
    seconds, previous = 0.0, 0
    for line in lines:
        if line["nimg"] <= until and line.get("kimg_per_s"):
            seconds += (line["nimg"] - previous) / 1000 / line["kimg_per_s"]
        previous = line["nimg"]
    return seconds


def _pictures(content: ReportContent) -> str:
    grids = sorted(content.run.samples.glob("[0-9]*.png"))
    shown = [file for file in grids if int(file.stem) <= content.nimg]
    real = content.snapshot.with_suffix(".real.png")
    return pictures(
        {
            "Generated": still_of(shown[-1], "Generated images") if shown else "",
            "Real, from the training data": still_of(real, "Real images") if real.exists() else "",
            content.about.film: film(
                shown, "Samples during training", content.run.path / "film.webp"
            ),
        },
        content.about.side(content.data),
    )


def _scores(content: ReportContent) -> str:
    if scores := content.about.scores(content.snapshot):
        return scores
    if not content.card:
        return "<p>Not scored: <code>mirage evaluate RUN --data PATH</code></p>"
    lines = [*notes(content.card), _spread(content.card)]
    remarks = "".join(f'<p class="soft">{line}</p>' for line in lines if line)
    return gauges(content.card.scores, content.card.collapsed) + remarks


def _spread(card: Scorecard) -> str:
    if not card.spread:
        return ""
    parts = (f"{name.replace('_', ' ')} ± {value:.2g}" for name, value in card.spread.items())
    return f"Standard deviation over {card.seeds} sets of latents: {', '.join(parts)}."


def _neighbours(content: ReportContent) -> str:
    path = content.snapshot.with_suffix(".neighbours.png")
    if not path.exists():
        return ""
    caption = (
        "Row 1: ten random samples. Row 3: of a thousand samples, the ten most similar to a "
        "training image. Rows 2 and 4: the most similar training images."
    )
    return pictures({caption: still_of(path, caption)}, content.about.side(content.data))


def _curves(content: ReportContent) -> str:
    return drawn(score_charts(content.run)) + charts(content.lines)


def _configuration(content: ReportContent) -> str:
    rows = {
        name: _setting(getattr(content.config, name)) for name in type(content.config).model_fields
    }
    machine = {f"machine: {k}": str(v) for k, v in content.run.read_machine().items()}
    return table(rows | machine, columns=True)


def _setting(value: Any) -> str:
    match value:
        case CosineSchedule():
            return _schedule(value)
        case tuple():
            return ", ".join(map(str, value)) or "none"
        case float():
            return f"{value:g}"
    return str(value)


def _schedule(schedule: CosineSchedule) -> str:
    text = f"{schedule.start:g}"
    if schedule.start != schedule.end:
        text += f" → {schedule.end:g} from {schedule.from_kimg:g} to {schedule.to_kimg:g} kimg"
    return (
        f"{text}; from {schedule.then.from_kimg:g} kimg on {_schedule(schedule.then)}"
        if schedule.then
        else text
    )
