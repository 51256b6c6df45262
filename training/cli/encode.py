"""The command `encode`: trains an encoder of a generator, and publishes both."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mirage.training.cli.export import publish_run
from mirage.training.cli.flags import (
    add_data_flags,
    add_drop_weights,
    add_threads,
    print_notes,
    read_splits,
)
from mirage.training.errors import UsageError
from mirage.training.inversion.fit import Plan, check_fit, fit_encoder
from mirage.training.inversion.publish import publish_encoder, score_encoder, snapshot_of
from mirage.training.lengths import MAX_KIMG
from mirage.training.publish.destination import check_model_folder
from mirage.training.runs.checkpoint import Snapshot, load_snapshot
from mirage.training.runs.initial_weights import is_bundle
from mirage.training.runs.run_dir import Run


def add_command(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parser; `add` is the method `add_parser` of subparsers."""
    summary = "train an encoder of a generator, from pictures to latents, and publish both"
    parser = add("encode", help=summary, description=summary)
    parser.set_defaults(command=_encode)
    parser.add_argument("source", type=Path, metavar="RUN|BUNDLE", help="a run is published first")
    parser.add_argument(
        "--to", type=Path, metavar="MODELS/NAME", help="default: the model of the bundle"
    )
    default = Plan()
    parser.add_argument(
        "--kimg", type=float, default=default.kimg, help=f"pictures shown; default {default.kimg:g}"
    )
    parser.add_argument("--seed", type=int, default=default.seed)
    add_drop_weights(parser)
    add_threads(parser)
    add_data_flags(parser, meaning="pictures like those that the model was trained on")


def _encode(options: argparse.Namespace) -> Iterator[str]:
    if not 0 < options.kimg <= MAX_KIMG:
        raise UsageError(f"--kimg is {options.kimg:g}; it must be above 0 and at most {MAX_KIMG:g}")
    if not 0 <= options.seed < 2**63:
        raise UsageError(f"--seed is {options.seed}; it must be at least 0 and below 2^63")
    if options.threads:
        torch.set_num_threads(options.threads)
    snapshot, recorded = _read(options)
    train, test = read_splits(options, recorded)
    print_notes(train)
    for split in (train, test):
        check_fit(snapshot, split.images, split.labels)
    bundle = _published(options)
    conditional = snapshot.architecture.num_classes > 0
    plan = Plan(options.kimg, options.seed)
    labels = train.labels if conditional else None
    encoder = fit_encoder(snapshot, train.images, labels, plan)
    score = score_encoder(encoder, snapshot, test.images, test.labels if conditional else None)
    score = replace(score, is_held_out=train.original.fingerprint != test.original.fingerprint)
    yield str(score)
    to = options.to or bundle.resolve().parent
    yield str(publish_encoder(bundle, encoder, score, to, not options.drop_weights))


def _read(options: argparse.Namespace) -> tuple[Snapshot, dict[str, Any]]:
    """The generator, and how its run read the data; a bundle does not tell."""
    if options.to is not None:
        check_model_folder(options.to)
    if is_bundle(options.source):
        return snapshot_of(options.source), {}
    if options.to is None:
        raise UsageError(f"{options.source} is a run; say with --to where it is to be published")
    run = Run(options.source)
    _, data = run.read_config()
    return load_snapshot(run.latest_snapshot()), data.get("options", {})


def _published(options: argparse.Namespace) -> Path:
    """The bundle, or that of the run's last snapshot."""
    source: Path = options.source
    return source if is_bundle(source) else publish_run(Run(source), options.to)
