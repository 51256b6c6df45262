"""The report of a run: what came of it, how it went, what it was made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from mirage.bundle.store.durable import replace_file
from mirage.training.config import TrainConfig
from mirage.training.evaluation.scorecard import Scorecard, known_scorecard, notes, scores_file
from mirage.training.optim.schedule import CosineSchedule
from mirage.training.publish.gate import Check, flag
from mirage.training.publish.result import Result, read_result
from mirage.training.report.about import ABOUT, About
from mirage.training.report.charts import Lines, Series, charts, line_chart, read_watch, watched
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
from mirage.training.runs.checkpoint import parameter_counts
from mirage.training.runs.run_dir import Run

STYLES = {"released": "real", "published": "real", "refused": "broken", "failed": "broken"}


def outcome(result: Result | None) -> str:
    """The end of the job as a banner, then the gate's checks; empty for a run without a job."""
    return f"{_banner(result)}{_checks(result)}" if result else ""


def _banner(result: Result) -> str:
    reasons = "".join(f"<span>{escape(reason)}.</span>" for reason in result.reasons)
    css = STYLES.get(result.outcome, "")
    return f'<p class="banner {css}"><b>{escape(_headline(result))}</b>{reasons}</p>'


def _headline(result: Result) -> str:
    match result.outcome:
        case "released" | "published":
            return f"{result.outcome.capitalize()} as {result.model}@{result.version}"
        case "refused":
            return "Refused by the gate: not published"
        case "failed":
            return f"Failed: stage {result.stage}" if result.stage else "Failed"
    return f"Under way: stage {result.stage}" if result.stage else "Under way"


def _checks(result: Result) -> str:
    if not result.checks:
        return ""
    compared = ""
    if result.released_version is not None:
        released = f"{result.model}@{result.released_version}"
        compared = f'<p class="soft below">Compared with the released {escape(released)}.</p>'
    head = ("score", "value", "asked for", "", "threshold")
    return compared + grid(head, (tuple(_row(check)) for check in result.checks))


def _row(check: Check) -> Iterator[str]:
    yield escape(check.score)
    yield f"{check.value:.4g}"
    yield f"{'at most' if check.lower_is_better else 'at least'} {check.bound:.4g}"
    css, word = ("real", "passed") if check.passed else ("broken", "not passed")
    yield f'<b class="grade {css}">{word}</b>'
    yield f"<code>{flag(check.threshold)} {check.limit:g}</code>"


@dataclass(frozen=True)
class Story:
    """Everything of a run that its page tells."""

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
        """Images seen by the snapshot that is shown."""
        return int(self.snapshot.stem)

    @property
    def about(self) -> About:
        """The words of the run's task."""
        return ABOUT[self.config.task]


def write_report(run: Run, to: Path | None = None) -> Path:
    """Write `report.html` of a run, about its newest scored snapshot, else its newest.

    Raises DataError when the folder is no run or has no snapshot yet.
    """
    story = _read(run)
    path = to or run.path / "report.html"
    replace_file(path, page(story.name, _body(story)).encode())
    return path


def _read(run: Run) -> Story:
    config, data = run.read_config()
    snapshot = run.latest_snapshot()
    scored = sorted(run.snapshots.glob("[0-9]*.scores.json"))
    if scored:
        snapshot = scored[-1].with_name(scored[-1].name.replace(".scores.json", ".safetensors"))
    return Story(
        run, config, data, run.read_stats(), snapshot, known_scorecard(scores_file(snapshot))
    )


def _body(story: Story) -> Iterator[str]:
    yield f"<h1>{escape(story.name)}</h1>"
    yield facts(_facts(story))
    yield banner(_verdict(story))
    yield section("The job", "What it decided.", outcome(read_result(story.run.path)))
    yield section("Pictures", story.about.grid(story.data), _pictures(story))
    yield section("Scores", SCORES, _scores(story))
    yield section("Copies of the training images?", NEIGHBOURS, _neighbours(story))
    yield section("How it went", "Over thousands of images seen (kimg).", _curves(story))
    yield section("The watchdog", WATCHDOG, watched(read_watch(story.run.path / "watchdog.json")))
    yield section("Data", "What it was trained on.", table(story.about.data(story.data)))
    yield section("Configuration", "Enough to make it again.", _configuration(story))
    yield f"<footer>About the snapshot after {story.nimg:,} images.</footer>"


SCORES = "The further right a dot, the nearer to real data; nothing can be better than the far end."
NEIGHBOURS = (
    "Samples, and under each the training image most like it. Alike is fine; the same is a copy."
)

WATCHDOG = "Signs of collapse, followed all the time; one beyond its limit ends the training."


def _verdict(story: Story) -> Any:
    return verdict(story.card.scores, story.card.collapsed) if story.card else None


def _facts(story: Story) -> dict[str, str]:
    generator = parameter_counts(story.snapshot).get("generator", 0)
    found = {
        **story.about.facts(story.data),
        "images seen in training": counted(story.nimg),
        "parameters of the generator": counted(generator),
    }
    if story.lines:
        found["time of training"] = duration(_training_seconds(story.lines, story.nimg))
    return found


def _training_seconds(lines: Lines, until: int) -> float:
    """Time spent in steps, without what lay between stops and resumptions."""
    seconds, before = 0.0, 0
    for line in lines:
        if line["nimg"] <= until and line.get("kimg_per_s"):
            seconds += (line["nimg"] - before) / 1000 / line["kimg_per_s"]
        before = line["nimg"]
    return seconds


def _pictures(story: Story) -> str:
    grids = sorted(story.run.samples.glob("[0-9]*.png"))
    shown = [file for file in grids if int(file.stem) <= story.nimg]
    real = story.snapshot.with_suffix(".real.png")
    return pictures(
        {
            "Generated": still_of(shown[-1], "Generated images") if shown else "",
            "Real, from the training data": still_of(real, "Real images") if real.exists() else "",
            story.about.film: film(
                shown, "Samples over the training", story.run.path / "film.webp"
            ),
        },
        story.about.side(story.data),
    )


def _scores(story: Story) -> str:
    if told := story.about.scores(story.snapshot):
        return told
    if not story.card:
        return "<p>Not scored: <code>python -m training evaluate RUN --data PATH</code></p>"
    lines = [*notes(story.card), _spread(story.card)]
    remarks = "".join(f'<p class="soft">{line}</p>' for line in lines if line)
    return gauges(story.card.scores, story.card.collapsed) + remarks


def _spread(card: Scorecard) -> str:
    if not card.spread:
        return ""
    parts = (f"{name.replace('_', ' ')} ± {value:.2g}" for name, value in card.spread.items())
    return f"Standard deviation over {card.seeds} draws of latents: {', '.join(parts)}."


def _neighbours(story: Story) -> str:
    path = story.snapshot.with_suffix(".neighbours.png")
    if not path.exists():
        return ""
    caption = (
        "First and third row: ten samples as they come, and the ten of a thousand most like a "
        "training image. Second and fourth row: those training images."
    )
    return pictures({caption: still_of(path, caption)}, story.about.side(story.data))


def _curves(story: Story) -> str:
    return _history(story) + charts(story.lines)


def _history(story: Story) -> str:
    """Scores of every scored snapshot over images seen, where there are at least two."""
    files = sorted(story.run.snapshots.glob("[0-9]*.scores.json"))
    cards = {int(file.name.partition(".")[0]) / 1000: known_scorecard(file) for file in files}
    drawn = [
        line_chart(title, "", [_history_of(cards, name) for name in names])
        for title, names in (
            ("Fréchet distance", ["frechet"]),
            ("Coverage and recall", ["coverage", "recall"]),
        )
    ]
    return f'<div class="charts">{"".join(drawn)}</div>' if any(drawn) else ""


def _history_of(cards: dict[float, Scorecard | None], name: str) -> Series:
    known = {
        kimg: card.scores[name].value
        for kimg, card in cards.items()
        if card and name in card.scores
    }
    return Series(name, list(known), list(known.values()))


def _configuration(story: Story) -> str:
    rows = {name: _setting(getattr(story.config, name)) for name in type(story.config).model_fields}
    machine = {f"machine: {k}": str(v) for k, v in story.run.read_machine().items()}
    return table(rows | machine, columns=True)


def _setting(value: Any) -> str:
    if not isinstance(value, CosineSchedule):
        return (", ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
    return _schedule(value)


def _schedule(schedule: CosineSchedule) -> str:
    text = f"{schedule.start:g}"
    if schedule.start != schedule.end:
        text += f" → {schedule.end:g} from {schedule.from_kimg:g} to {schedule.to_kimg:g} kimg"
    return (
        f"{text}; from {schedule.then.from_kimg:g} kimg on {_schedule(schedule.then)}"
        if schedule.then
        else text
    )
