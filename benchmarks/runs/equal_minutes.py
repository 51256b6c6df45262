"""Trains presets side by side for equal processor time, and scores their snapshots.

The trainings alternate on the same cores; one is stopped while another runs, so that all have the
same conditions. Each snapshot is recorded with the processor minutes of its training so far,
including loading and checkpoints. The watchdog is off. Run the same command again to resume.
"""

import argparse
import json
import sys
from pathlib import Path

from turns import Row, chosen, read, start, take_turns

from mirage.training.data.dataset import Dataset
from mirage.training.data.load import load_splits
from mirage.training.evaluation.classifier import classify, fit
from mirage.training.evaluation.evaluate import Evaluator
from mirage.training.evaluation.samples import generate_images, proportional_labels
from mirage.training.evaluation.scores.metrics import agreement
from mirage.training.publish.export import export_onnx
from mirage.training.runs.checkpoint import load_snapshot
from mirage.training.runs.run_dir import Run

SCORES = ("agreement", "coverage", "frechet")


def train(options: argparse.Namespace) -> None:
    contestants = [
        start(options.runs / preset, command(preset, options)) for preset in options.presets
    ]
    take_turns(contestants, options.minutes)


def command(preset: str, options: argparse.Namespace) -> list[str]:
    run = options.runs / preset
    words = [sys.executable, "-m", "training", "train", "--preset", preset, "--run", str(run)]
    words += ["--data", str(options.data), "--threads", str(options.threads)]
    return [*words, "--set", "watch.off=true"]  # collapse is a valid result here


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
