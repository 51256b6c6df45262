"""Counts how many of Stacked-MNIST's 1,000 modes a run generates over the course of training.

For each snapshot: modes and reverse KL of 26,000 images, averaged over seeds, next to those of real
triples. Rows are written to --to as JSON lines, with a plot next to them.
"""

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from mirage.training.data.load import load_dataset
from mirage.training.evaluation.scores.stacked_mnist import SAMPLES, stacked_scores
from mirage.training.publish.export import export_onnx
from mirage.training.runs.checkpoint import load_snapshot
from mirage.training.runs.run_dir import Run

Row = dict[str, float]


def measure(snapshot: Path, options: argparse.Namespace) -> Row:
    """Modes and reverse KL of a snapshot, and of real triples."""
    model = export_onnx(load_snapshot(snapshot))
    scores, _ = stacked_scores(model, load_dataset(options.data), SAMPLES, options.seeds)
    modes, divergence = scores["modes"], scores["reverse_kl"]
    return {
        "kimg": int(snapshot.stem) / 1000,
        "modes": modes.value,
        "reverse_kl": round(divergence.value, 4),
        "real_reverse_kl": round(divergence.floor or 0, 4),
        "excess": round(divergence.value - (divergence.floor or 0), 4),
    }


def plot(rows: list[Row], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    modes, divergence = figure.subplots(1, 2)
    seen = [row["kimg"] for row in rows]
    modes.plot(seen, [row["modes"] for row in rows], marker="o")
    modes.set(ylabel="modes of 1,000", xlabel="thousands of images seen", ylim=(0, 1050))
    divergence.semilogy(seen, [row["reverse_kl"] for row in rows], marker="o", label="model")
    divergence.semilogy(
        seen, [row["real_reverse_kl"] for row in rows], linestyle="--", label="real triples"
    )
    divergence.axhline(0.08, color="grey", linewidth=0.8)
    divergence.set(ylabel="reverse KL at N = 26,000", xlabel="thousands of images seen")
    divergence.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the MNIST files, or triples")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=float, default=250, help="thousands of images")
    parser.add_argument("--to", type=Path, required=True, metavar="FILE.jsonl")
    options = parser.parse_args()
    found = sorted(Run(options.run).snapshots.glob("[0-9]*.safetensors"))
    kept = {int(int(path.stem) / 1000 / options.every): path for path in reversed(found)}
    rows = []
    for number in tqdm(sorted(kept)[1:], unit="snapshot"):
        rows.append(measure(kept[number], options))
        tqdm.write(json.dumps(rows[-1]))
    options.to.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    plot(rows, options.to.with_suffix(".png"))
    print(json.dumps({"run": options.run.name, "samples": SAMPLES, **rows[-1]}))


if __name__ == "__main__":
    main()
