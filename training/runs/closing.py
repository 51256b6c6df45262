"""What is said when a training begins and ends: where its samples are, and what comes next."""

import re
import shlex
from collections.abc import Iterator

from mirage.training.config import TrainConfig
from mirage.training.media.reading import noun_of
from mirage.training.runs.monitor import bounds_of, is_within, signs_of
from mirage.training.runs.run_dir import Run

VARIETY = ("spread", "entropy")
"""Signals that compare generated with real samples; they say nothing of a single one."""

NOT_OF_NAMES = re.compile(r"[^a-z0-9_-]")
MAX_NAME = 63


def opening(run: Run) -> Iterator[str]:
    """Lines of text before the first step: where samples will appear, and how to stop."""
    path = shlex.quote(str(run.path))
    yield f"samples        {run.samples}; the first sheet is noise, before any training"
    yield f"watch          mirage watch {path} shows the run in a browser"
    yield "stop           with Ctrl+C; the same command continues"


def closing(run: Run, data: str | None) -> Iterator[str]:
    """Lines of text about a run that has ended.

    data: as given with --data, for the next command; None if it was not given.
    """
    config, data_sheet = run.read_config()
    noun = noun_of(data_sheet)
    snapshot = run.latest_snapshot()
    nimg = int(snapshot.stem)
    yield f"result         {snapshot} after {nimg / 1000:g} kimg"
    if run.grid_path(nimg).exists():
        yield f"{noun:<15}{run.grid_path(nimg)}"
    yield from (f"judged         {line}" for line in _judgement(run, config, noun))
    if nimg < config.kimg * 1000:
        yield f"stopped        before {config.kimg:g} kimg; the same command continues"
    path = shlex.quote(str(run.path))
    fast = " --fast" if config.task == "generate" else ""
    if data is not None:
        yield f"next           mirage evaluate {path} --data {shlex.quote(data)}{fast}"
    yield f"               mirage export {path} --to models/{_model_name(run)}"


def _model_name(run: Run) -> str:
    """The run's name as one that a model may have (`NAME_PATTERN`)."""
    name = NOT_OF_NAMES.sub("-", run.path.resolve().name.lower())
    return name.lstrip("-_")[:MAX_NAME] or "mine"


def _judgement(run: Run, config: TrainConfig, noun: str) -> Iterator[str]:
    """The variety in the last report, and the signals beyond their limits, at any length."""
    lines = run.read_stats()
    signs = signs_of(lines[-1]) if lines else {}
    variety = [f"{name} {abs(signs[name]):.2f}" for name in VARIETY if name in signs]
    if variety:
        yield f"{' and '.join(variety)} of that of real {noun} (1: as varied)"
    bounds = bounds_of(config.watch, config.loss)
    beyond = [n for n, v in signs.items() if not is_within(v, *bounds.get(n, (None, None)))]
    if beyond:
        yield f"beyond a limit: {', '.join(beyond)}; the {noun} are not to be used yet"
    elif signs:
        yield f"no sign of collapse; only evaluate says whether the {noun} are good"
