"""Trains presets side by side for equal processor time, and scores their snapshots.

The trainings alternate on the same cores; one is stopped while another runs, so that all have the
same conditions. Each snapshot is recorded with the processor minutes of its training so far,
including loading and checkpoints. The watchdog is off. Run the same command again to resume.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from mirage.training.data.dataset import Dataset
from mirage.training.data.load import load_splits
from mirage.training.evaluation.classifier import classify, fit
from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.samples import generate_images, proportional_labels
from mirage.training.evaluation.scores.metrics import agreement
from mirage.training.publish.export import export_onnx
from mirage.training.runs.checkpoint import load_snapshot
from mirage.training.runs.run_dir import Run

Row = dict[str, float | str]
SLICE = 30.0
"""Processor seconds per turn."""
SCORES = ("agreement", "coverage", "frechet")


@dataclass
class Contestant:
    """The training of one preset: a process that is stopped except during its turns."""

    preset: str
    run: Path
    process: subprocess.Popen[bytes]
    spent: float  # minutes of earlier sessions
    rows: list[Row] = field(default_factory=list)

    @property
    def notes(self) -> Path:
        return self.run / "minutes.jsonl"

    @property
    def minutes(self) -> float:
        """Processor time of the training over all sessions and threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
        return self.spent + ticks / os.sysconf("SC_CLK_TCK") / 60

    def turn(self) -> None:
        began = self.minutes
        self.process.send_signal(signal.SIGCONT)
        while self.process.poll() is None and self.minutes - began < SLICE / 60:
            time.sleep(0.5)
            self.note()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)

    def note(self) -> None:
        """Record the processor time of new snapshots."""
        known = {row["kimg"] for row in self.rows}
        for path in sorted(Run(self.run).snapshots.glob("[0-9]*.safetensors")):
            kimg = int(path.stem) / 1000
            if kimg not in known:
                self.rows.append({"kimg": kimg, "minutes": round(self.minutes, 2)})
                with self.notes.open("a") as file:
                    file.write(json.dumps(self.rows[-1]) + "\n")


def start(preset: str, options: argparse.Namespace) -> Contestant:
    run = options.runs / preset
    rows = read(run / "minutes.jsonl")
    command = [sys.executable, "-m", "training", "train", "--preset", preset, "--run", str(run)]
    command += ["--data", str(options.data), "--threads", str(options.threads)]
    command += ["--set", "watch.off=true"]  # collapse is a valid result here
    run.mkdir(parents=True, exist_ok=True)
    with (run / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    process.send_signal(signal.SIGSTOP)
    spent = float(rows[-1]["minutes"]) if rows else 0.0
    return Contestant(preset, run, process, spent, rows)


def train(options: argparse.Namespace) -> None:
    """Alternate the trainings until each has used its minutes or finished."""
    contestants = [start(preset, options) for preset in options.presets]
    try:
        while waiting := [
            each
            for each in contestants
            if each.process.poll() is None and each.minutes < options.minutes
        ]:
            for each in waiting:
                each.turn()
    finally:
        for each in contestants:
            each.process.send_signal(signal.SIGCONT)
            each.process.terminate()
            each.process.wait()


def score(options: argparse.Namespace) -> list[Row]:
    data, test = load_splits(options.data)
    evaluator = Evaluator(data, test)
    rows: list[Row] = []
    for preset in options.presets:
        noted = read(options.runs / preset / "minutes.jsonl")
        for row in chosen(noted, options.minutes, options.every):
            name = f"{1000 * float(row['kimg']):09.0f}.safetensors"
            model = export_onnx(load_snapshot(Run(options.runs / preset).snapshots / name))
            scores = evaluator.score(model).scores
            rows.append({"preset": preset, **row})
            rows[-1] |= {name: round(scores[name].value, 4) for name in SCORES}
            rows[-1]["cas"] = round(taught(model, data, test, options.epochs), 4)
            print(json.dumps(rows[-1]), flush=True)
    return rows


def chosen(rows: list[Row], minutes: float, every: float) -> list[Row]:
    """The last snapshot in each interval of `every` minutes, up to `minutes`."""
    within = [row for row in rows if float(row["minutes"]) <= minutes]
    return list({int(float(row["minutes"]) // every): row for row in within}.values())


def taught(model: bytes, data: Dataset, test: Dataset, epochs: int) -> float:
    """Accuracy on real test images of a classifier trained on 60,000 generated images."""
    assert data.labels is not None
    assert test.labels is not None
    requested = proportional_labels(data.labels, len(data))
    images = generate_images(model, len(data), requested)
    _, predicted = classify(fit(images, requested, epochs, seed=1), test.images)
    return agreement(predicted, test.labels)


def plot(rows: list[Row], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    for name, axes in zip([*SCORES, "cas"], figure.subplots(1, 4), strict=True):
        for preset in dict.fromkeys(row["preset"] for row in rows):
            of_preset = [row for row in rows if row["preset"] == preset]
            axes.plot(
                [row["minutes"] for row in of_preset],
                [row[name] for row in of_preset],
                marker=".",
                label=preset,
            )
        axes.set(title=name, xlabel="processor minutes")
        if name == "frechet":
            axes.set_yscale("log")
    axes.legend()
    figure.savefig(path, dpi=110)


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["mnist", "dcgan"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="a folder with a run for each")
    parser.add_argument("--minutes", type=float, default=40, help="of processor time for each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=float, default=8, help="minutes from one score to the next")
    parser.add_argument("--epochs", type=int, default=2, help="of the classifiers")
    parser.add_argument("--to", type=Path, metavar="FILE.jsonl", help="without it only train")
    options = parser.parse_args()
    train(options)
    if options.to:
        rows = score(options)
        options.to.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        plot(rows, options.to.with_suffix(".png"))


if __name__ == "__main__":
    main()
