"""Trains the arms of an experiment for equal processor time, and scores their snapshots.

The number of images of an arm follows from its measured speed; it is kept with all settings in the
arm's folder. Each snapshot is recorded with the processor minutes of its training so far. Snapshots
of networks that are still growing are not scored. The watchdog is off. Run the same command again
to resume.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arms import ARMS, Arm
from PIL import Image
from turns import Row, chosen, read, start, take_turns

from mirage.bundle.format.manifest import Score
from mirage.training.cli.flags import add_data_flags, data_options
from mirage.training.config import TrainConfig, build_config
from mirage.training.data.dataset import Dataset
from mirage.training.data.load import load_splits
from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.samples import generate_images
from mirage.training.evaluation.scores.sliced_wasserstein import over_white
from mirage.training.evaluation.scores.stacked_mnist import stacked_scores
from mirage.training.publish.export import export_onnx
from mirage.training.runs.checkpoint import Snapshot, load_snapshot
from mirage.training.runs.device import resolve_precision
from mirage.training.runs.run_dir import Run
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import Batches, architecture_of

SHOWN = ("swd_thumbnails", "swd_fine", "coverage", "recall", "memorised_groups", "odd_borders")
DIGITS = ("agreement", "frechet", "coverage", "recall")
PHOTOGRAPHS = (*DIGITS, "swd_fine")
TRIPLES = ("modes", "reverse_kl")
PANELS = {"pictures": SHOWN, "photographs": PHOTOGRAPHS, "digits": DIGITS, "triples": TRIPLES}
STEPS = 4
OVERTIME = 1.2
"""Limit of an arm's minutes as a factor; loading, checkpoints and statistics take time as well."""
PAPER = 235
"""Grey level; pictures whose mean border over white is darker count as odd."""


def plan(name: str, arm: Arm, data: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """The settings of an arm's run: as recorded, or else from its measured speed."""
    path = options.runs / name / "plan.json"
    if not path.exists():
        kimg = round(60 * options.minutes / seconds_per_kimg(arm, data), 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"preset": arm.preset, **arm.changes(kimg)}, indent=2))
    return json.loads(path.read_text())


def seconds_per_kimg(arm: Arm, data: Dataset) -> float:
    """Mean processor seconds per thousand images, over all image sizes of the arm."""
    torch.set_num_threads(1)
    config = build_config(arm.preset, flat(arm.changes(kimg=100.0)))
    config = config.model_copy(update={"precision": resolve_precision("auto")})
    ends = [*(share for share in arm.growth), 1.0]
    lengths = np.diff([0.0, *ends])
    begins = [config.warm_start_images, *config.growth_images]
    seconds = [seconds_per_step(config, max(begins[0], at), data) for at in begins]
    return float(np.dot(lengths, seconds)) * 1000 / config.batch_size


def seconds_per_step(config: TrainConfig, nimg: int, data: Dataset) -> float:
    whole = architecture_of(config, data.sheet())
    state = TrainState(config, whole.before_growth(config.stages_left(nimg)))
    step, batches = Step(config, state), Batches(config, data)
    step(nimg, *batches.draw(nimg, slice(None)))
    began = time.process_time()
    for _ in range(STEPS):
        step(nimg, *batches.draw(nimg, slice(None)))
    return (time.process_time() - began) / STEPS


def flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Flatten nested settings to the names of the command line: lr.start, lr.end, …"""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        inner = isinstance(value, dict)
        found |= flat(value, f"{before}{key}.") if inner else {f"{before}{key}": value}
    return found


def command(
    run: Path, settings: dict[str, Any], seed: int, options: argparse.Namespace
) -> list[str]:
    changes = flat({name: value for name, value in settings.items() if name != "preset"})
    changes |= {"watch.off": "true", "seed": seed, "snapshot_kimg": changes["kimg"] / 20}
    words = [sys.executable, "-m", "training", "train", "--preset", settings["preset"]]
    words += ["--run", str(run), "--data", options.data, "--threads", "1"]
    words += shlex.split(options.reading)
    for key, value in changes.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += ["--set", f"{key}={text}"]
    return words


def train(data: Dataset, options: argparse.Namespace) -> None:
    contestants = []
    for name in options.arms:
        settings = plan(name, ARMS[options.experiment][name], data, options)
        for seed in options.seeds:
            run = options.runs / name / str(seed)
            contestants.append(start(run, command(run, settings, seed, options)))
    take_turns(contestants, OVERTIME * options.minutes)


class Judge:
    """Computes the scores of the experiment for ONNX graphs."""

    def __init__(self, data: Dataset, test: Dataset, triples: bool) -> None:
        self.data, self.triples = data, triples
        self._evaluator = None if triples else Evaluator(data, test)

    def __call__(self, model: bytes) -> dict[str, Score]:
        if self._evaluator is None:
            return stacked_scores(model, self.data)[0]
        scores = dict(self._evaluator.score(model).scores)
        if self.data.images.shape[3] > 1:
            requested = self._evaluator.requested_labels(500)
            made = odd_borders(generate_images(model, 500, requested))
            scores["odd_borders"] = Score(value=made, floor=odd_borders(self.data.images[:]), n=500)
        return scores


def odd_borders(images: np.ndarray) -> float:
    """The share of colour pictures whose border, over white, is darker than PAPER."""
    seen = (over_white(images) * 255).mean(1).numpy()
    rim = np.ones(seen.shape[1:], bool)
    rim[1:-1, 1:-1] = False
    return float((seen[:, rim].mean(1) < PAPER).mean())


def score(data: Dataset, test: Dataset, options: argparse.Namespace) -> list[Row]:
    judge, rows = Judge(data, test, options.experiment == "triples"), read(options.to)
    known = {(row["arm"], row["seed"], row["kimg"], row["gain"]) for row in rows}
    for name in options.arms:
        for seed in options.seeds:
            run = options.runs / name / str(seed)
            noted = chosen(read(run / "minutes.jsonl"), OVERTIME * options.minutes, options.every)
            for row, gain in ((r, g) for r in noted for g in gains(name, r, noted, options)):
                if (name, seed, row["kimg"], gain) in known:
                    continue
                snapshot = with_gain(snapshot_of(run, row), gain)
                if snapshot.architecture.height < data.images.shape[1]:
                    continue  # it is still to grow
                found = judge(export_onnx(snapshot))
                rows.append({"arm": name, "seed": seed, **row, "gain": gain, **values(found)})
                with options.to.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                print(json.dumps(rows[-1]), flush=True)
    return rows


def gains(name: str, row: Row, noted: list[Row], options: argparse.Namespace) -> Iterable[float]:
    """All gains for the last snapshot, the first gain for the others."""
    every = ARMS[options.experiment][name].gains
    return every if row == noted[-1] else every[:1]


def snapshot_of(run: Path, row: Row) -> Snapshot:
    return load_snapshot(Run(run).snapshots / f"{1000 * float(row['kimg']):09.0f}.safetensors")


def with_gain(snapshot: Snapshot, gain: float) -> Snapshot:
    snapshot.generator.latent_gain = gain
    return replace(
        snapshot, architecture=snapshot.architecture.model_copy(update={"latent_gain": gain})
    )


def values(scores: dict[str, Score]) -> Row:
    floors = {f"{name}_real": s.floor for name, s in scores.items() if s.floor is not None}
    return {
        name: round(v, 4)
        for name, v in {**{n: s.value for n, s in scores.items()}, **floors}.items()
    }


def plot(rows: list[Row], panels: Iterable[str], path: Path) -> None:
    from matplotlib.figure import Figure

    names = [name for name in panels if any(name in row for row in rows)]
    figure = Figure(figsize=(4 * len(names), 3.6), layout="constrained")
    for name, axes in zip(names, figure.subplots(1, len(names), squeeze=False)[0], strict=True):
        for number, arm in enumerate(dict.fromkeys(row["arm"] for row in rows)):
            for seed in dict.fromkeys(row["seed"] for row in rows if row["arm"] == arm):
                curve = [r for r in rows if (r["arm"], r["seed"], r["gain"]) == (arm, seed, 1.0)]
                label = str(arm) if seed == rows[0]["seed"] else None
                axes.plot(
                    [row["minutes"] for row in curve],
                    [row[name] for row in curve],
                    **{"marker": ".", "color": f"C{number}", "label": label},
                )
        if f"{name}_real" in rows[-1]:
            axes.axhline(rows[-1][f"{name}_real"], color="grey", linestyle="--")
        axes.set(title=name, xlabel="processor minutes")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def samples(options: argparse.Namespace) -> None:
    """Save three rows of the last sample grid of each arm in one sheet."""
    parts = []
    for name in options.arms:
        grids = sorted((options.runs / name / str(options.seeds[0]) / "samples").glob("[0-9]*.png"))
        if grids:
            with Image.open(grids[-1]) as grid:
                paper = Image.new("RGBA", grid.size, "white")
                paper.alpha_composite(grid.convert("RGBA"))
            parts.append(np.asarray(paper.convert("RGB"))[: 3 * grid.height // 10])
    Image.fromarray(np.concatenate(parts)).save(
        options.to.with_name(options.to.stem + "_samples.png")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=sorted(ARMS))
    parser.add_argument("--data", required=True)
    parser.add_argument(
        "--reading", default="", help="data flags, e.g. '--mirror --groups emoji --held-out 10'"
    )
    parser.add_argument("--runs", type=Path, required=True, help="a folder with one for each arm")
    parser.add_argument("--arms", nargs="+", help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--minutes", type=float, default=20, help="of processor time for each")
    parser.add_argument("--every", type=float, default=2.5, help="minutes between two scores")
    parser.add_argument("--to", type=Path, metavar="FILE.jsonl", help="without it only train")
    options = parser.parse_args()
    options.arms = options.arms or list(ARMS[options.experiment])
    reading = argparse.ArgumentParser()
    add_data_flags(reading, required=False)
    read_as = data_options(reading.parse_args(shlex.split(options.reading)))
    data, test = load_splits(options.data, read_as)
    train(data, options)
    if options.to:
        rows = score(data, test, options)
        plot(rows, PANELS[options.experiment], options.to.with_suffix(".png"))
        samples(options)


if __name__ == "__main__":
    main()
