"""Initialisation of a new run with the weights of a bundle or another run."""

import logging
from pathlib import Path

from torch import Tensor, nn

from mirage.bundle.format.verify import read_manifest
from mirage.training.errors import UsageError
from mirage.training.networks.families import AnyArchitecture
from mirage.training.optim.ema import copy_weights
from mirage.training.runs.bundle_weights import find_weights
from mirage.training.runs.checkpoint import load_weights
from mirage.training.runs.run_dir import Run
from mirage.training.runs.state import TrainState

log = logging.getLogger(__name__)

FREE = {"num_classes", "latent_gain", "bilateral", "discriminator_widths"}
"""Parameters that may differ: embeddings and discriminators are reinitialised, and the gain and the
filter have no weights."""


def name_of(start: Path) -> str:
    """The recorded name of the initial weights: name@version, or the folder of a run."""
    if not is_bundle(start):
        return start.resolve().name
    manifest = read_manifest(start)
    return f"{manifest.name}@{manifest.version}"


def is_bundle(path: Path) -> bool:
    """Whether a folder is a bundle rather than a run."""
    return (path / "manifest.json").exists()


def _weights_of(start: Path) -> Path:
    if not is_bundle(start):
        return Run(start).latest_snapshot()
    return find_weights(start)[1]


def warm_start(start: Path, state: TrainState, architecture: AnyArchitecture) -> None:
    """Initialise the networks with the weights of a verified bundle, or of a run's snapshot.

    Class embeddings are reinitialised if the number of classes differs. Raises BundleError for an
    invalid bundle, DataError for one without weights, UsageError for other architectures or an
    imported generator.
    """
    weights = _weights_of(start)
    published, generator, _ = load_weights(weights, "generator")
    _, discriminator, _ = load_weights(weights, "discriminator")
    _check_same(start, published, architecture)
    _fill(state.generator, generator)
    _fill(state.discriminator, discriminator)
    for average in (state.ema, *state.further.values()):
        copy_weights(average, state.generator)


def _check_same(start: Path, published: AnyArchitecture, wanted: AnyArchitecture) -> None:
    old, new = published.model_dump(exclude=FREE), wanted.model_dump(exclude=FREE)
    if changed := [key for key in old if old[key] != new.get(key)]:
        listed = ", ".join(f"{key} is {old[key]} there and {new.get(key)} here" for key in changed)
        raise UsageError(f"--from is {start}; its networks are others: {listed}")


def _fill(network: nn.Module, state: dict[str, Tensor]) -> None:
    own = network.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    for key in state.keys() - fitting.keys():
        log.warning("%s is reinitialised: its classes or its shape differ", key)
    network.load_state_dict(own | fitting)
