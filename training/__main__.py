"""The commands of training: train, evaluate, export, and two that prepare MNIST."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from bundle.errors import BundleError
from training import evaluate, judge
from training.card import Card
from training.config import build_config
from training.dataset import load_dataset
from training.errors import DataError, TrainingError, UsageError
from training.export import export_onnx, load_snapshot, publish
from training.loop import train
from training.mnist import MIRROR, download_mnist
from training.presets import PRESETS
from training.run import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code: 0 done, 2 usage, 3 bad data, 5 locked."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 5 if error.reason == "locked" else 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands.add_parser("train", help="train a GAN; the same command again goes on"))
    _add_evaluate(commands.add_parser("evaluate", help="score a run's last snapshot or a bundle"))
    _add_export(commands.add_parser("export", help="publish a run's last snapshot as a bundle"))
    _add_judge(commands.add_parser("judge", help="train the judge of digits anew"))
    _add_mnist(commands.add_parser("download-mnist", help="download the MNIST files"))
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_train)
    parser.add_argument("--data", type=Path, required=True, help="IDX files or a folder of images")
    parser.add_argument("--preset", default="mnist", help=f"one of {', '.join(sorted(PRESETS))}")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--kimg", type=float, help="thousands of images to train for")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    _add_threads(parser)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_evaluate)
    parser.add_argument("subject", type=Path, metavar="RUN|BUNDLE")
    parser.add_argument("--data", type=Path, required=True, help="IDX files, training and test")
    parser.add_argument("--cas", action="store_true", help="also train classifiers (an hour or so)")
    _add_threads(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_export)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--to", type=Path, required=True, metavar="MODELS/NAME")
    card = Card()
    parser.add_argument("--data-name", default=card.data, help="for the model card")
    parser.add_argument("--data-license", default=card.data_license)
    parser.add_argument("--license", default=card.license, help="of the model, e.g. cc-by-sa-3.0")


def _add_judge(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_judge)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--epochs", type=int, default=evaluate.CAS_EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    _add_threads(parser)


def _add_mnist(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=lambda options: download_mnist(options.folder, options.mirror))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mirror", default=MIRROR, help="where the four .gz files are")


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, help="CPU threads; default: the run's, or torch's")


def _train(options: argparse.Namespace) -> None:
    changes = dict(_change(text) for text in options.changes)
    if options.kimg is not None:
        changes["kimg"] = options.kimg
    config = build_config(options.preset, changes)
    train(config, load_dataset(options.data), options.run, options.threads)


def _change(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set is {text}; expected KEY=VALUE")
    return key, value


def _evaluate(options: argparse.Namespace) -> None:
    _set_threads(options)
    model, scores_file = _subject(options.subject)
    real, test = load_dataset(options.data), load_dataset(options.data, split="test")
    scored = evaluate.evaluate(model, real, test)
    if options.cas:
        scored["cas"] = evaluate.classification_accuracy(model, real, test)
    if scores_file:
        evaluate.write_scores(scores_file, scored)
    print("\n".join(evaluate.table(scored)))


def _subject(path: Path) -> tuple[bytes, Path | None]:
    """A bundle's graph, or a run's last snapshot exported; and where a run keeps its scores."""
    if (path / "model.onnx").exists():
        return (path / "model.onnx").read_bytes(), None
    snapshot = Run(path).latest_snapshot()
    return export_onnx(load_snapshot(snapshot)), _scores_file(snapshot)


def _scores_file(snapshot: Path) -> Path:
    return snapshot.with_suffix(".scores.json")


def _export(options: argparse.Namespace) -> None:
    run = Run(options.run)
    config, data = run.read_config()
    path = run.latest_snapshot()
    snapshot = load_snapshot(path)
    card = Card(options.data_name, options.data_license, options.license)
    scored = evaluate.read_scores(_scores_file(path))
    print(publish(snapshot, config, data, options.to, scored, card))


def _judge(options: argparse.Namespace) -> None:
    _set_threads(options)
    real, test = load_dataset(options.data), load_dataset(options.data, split="test")
    if real.labels is None or test.labels is None:
        raise DataError("--data has no classes; a judge needs them")
    network = judge.fit(real.images, real.labels, options.epochs, options.seed)
    _, judged = judge.judge(network, test.images)
    accuracy = float((judged == test.labels).mean())
    sha256 = judge.save_judge(network, options.to, accuracy)
    print(f"{accuracy:.2%} of the test images judged rightly; sha256 {sha256}")


def _set_threads(options: argparse.Namespace) -> None:
    if options.threads:
        torch.set_num_threads(options.threads)


if __name__ == "__main__":
    raise SystemExit(main())
