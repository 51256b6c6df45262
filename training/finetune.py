"""A new run begins with the weights of a published model."""

import logging
from pathlib import Path

from torch import Tensor, nn

from mirage.bundle.verify import load_bundle
from mirage.training.checkpoint import load_weights
from mirage.training.ema import update_ema
from mirage.training.errors import UsageError
from mirage.training.networks import AnyArchitecture
from mirage.training.players import Players

log = logging.getLogger(__name__)

FREE = {"num_classes", "latent_gain"}
"""What may differ: classes are learnt anew, and the gain is not a weight."""


def begin_from(bundle: Path, players: Players, architecture: AnyArchitecture) -> None:
    """Give the players the weights of a bundle, which is verified first.

    Embeddings of classes start anew where their number differs. Raises BundleError for a bundle
    that does not verify, DataError for one without weights, UsageError for other networks.
    """
    load_bundle(bundle)
    weights = bundle / "weights.safetensors"
    published, generator, _ = load_weights(weights, "generator")
    _, discriminator, _ = load_weights(weights, "discriminator")
    _check_same(bundle, published, architecture)
    _fill(players.generator, generator)
    _fill(players.discriminator, discriminator)
    for average in (players.ema, *players.further.values()):
        update_ema(average, players.generator, beta=0.0)


def _check_same(bundle: Path, published: AnyArchitecture, wanted: AnyArchitecture) -> None:
    old, new = published.model_dump(exclude=FREE), wanted.model_dump(exclude=FREE)
    if changed := [key for key in old if old[key] != new.get(key)]:
        listed = ", ".join(f"{key} is {old[key]} there and {new.get(key)} here" for key in changed)
        raise UsageError(f"--from is {bundle}; its networks are others: {listed}")


def _fill(network: nn.Module, state: dict[str, Tensor]) -> None:
    own = network.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    for key in state.keys() - fitting.keys():
        log.warning("%s begins anew: the classes are others", key)
    network.load_state_dict(own | fitting)
