"""Features of real images, and scores of real images against each other."""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from mirage.bundle.store.durable import replace_durably, sync_file
from mirage.training.cache_folder import default_cache
from mirage.training.data.dataset import Dataset
from mirage.training.evaluation.feature_networks import FeatureNetwork
from mirage.training.evaluation.scorecard import Sizes
from mirage.training.evaluation.scores.metrics import (
    agreement,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    memorised_share,
    nearest,
)

METHOD = 3
"""Of scores and floors, recorded in scorecards: increment it when those of the same features
change."""
ARRAYS = ("reference", "held_out", "unseen")
BOUNDS = ("floor", "collapsed")


@dataclass(frozen=True)
class Split:
    """Indices int64 of training images: the reference, and held-out images."""

    reference: np.ndarray
    held_out: np.ndarray


def split(images: int, sizes: Sizes) -> Split:
    """Split the data deterministically into disjoint parts, in the order of the data."""
    order = np.random.Generator(np.random.Philox(0)).permutation(images)
    end = sizes.reference + sizes.generated
    return Split(np.sort(order[: sizes.reference]), np.sort(order[sizes.reference : end]))


def scatter(count: int) -> np.ndarray:
    """A fixed permutation int64 [count], for data that are sorted by class."""
    return np.random.Generator(np.random.Philox(0)).permutation(count)


@dataclass(frozen=True)
class Reference:
    """Features float32 of real images, and the lower and upper limits of scores.

    reference: [R, D]. held_out: [G, D] in random order. unseen: float64 [U], nearness (`nearest`)
    to the reference of real images outside of it. floor: scores of real images. collapsed: scores
    of one real image per class, repeated, which is a generator without variety.
    """

    sizes: Sizes
    reference: np.ndarray
    held_out: np.ndarray
    unseen: np.ndarray
    floor: dict[str, float] = field(default_factory=dict)
    collapsed: dict[str, float] = field(default_factory=dict)

    def compare(self, features: np.ndarray) -> dict[str, float]:
        """The scores of features [G, D], by name."""
        covered = features[scatter(len(features))[: self.sizes.covered]]
        nearness, _ = nearest(covered, self.reference)
        return self._distances(features) | self._neighbours(covered, nearness)

    def compare_held_out(self) -> dict[str, float]:
        """The floor: scores of the held-out images."""
        others = self.held_out[self.sizes.covered : 2 * self.sizes.covered]
        later = self.unseen[len(self.unseen) // 2 :]
        return self._distances(self.held_out) | self._neighbours(others, later)

    def _distances(self, features: np.ndarray) -> dict[str, float]:
        draws = self.sizes.kernel_subset, self.sizes.kernel_subsets
        return {
            "frechet": frechet_distance(features, self.reference),
            "kernel": kernel_distance(features, self.reference, *draws),
        }

    def _neighbours(self, covered: np.ndarray, nearness: np.ndarray) -> dict[str, float]:
        earlier = self.unseen[: len(self.unseen) // 2]
        return {
            **manifold_scores(self.held_out[: self.sizes.covered], covered),
            "memorised": memorised_share(nearness, earlier),
        }


def load_reference(
    network: FeatureNetwork,
    train: Dataset,
    test: Dataset | None,
    sizes: Sizes,
    cache: Path | None = None,
) -> Reference:
    """Compute the reference, or read it from the cache for the same network and data."""
    path = _cache_file(network, train, test, sizes, cache)
    if not path.exists():
        _write(path, _compute(network, train, test, sizes))
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in ARRAYS}
        bounds = {name: json.loads(str(stored[name])) for name in BOUNDS}
        return Reference(sizes=sizes, **arrays, **bounds)


def _compute(
    network: FeatureNetwork, train: Dataset, test: Dataset | None, sizes: Sizes
) -> Reference:
    parts = split(len(train), sizes)
    features, _ = network(train.images[parts.reference])
    held_out, predicted = network(train.images[parts.held_out])
    truth = None if train.labels is None else train.labels[parts.held_out]
    collapsed = held_out[one_per_class(truth, len(held_out))]
    shuffle = np.random.Generator(np.random.Philox(1)).permutation(len(held_out))
    new = held_out = held_out[shuffle]
    if test is not None:
        chosen = scatter(len(test))[: sizes.generated]
        tested, predicted = network(test.images[chosen])
        new = tested if len(tested) > 1 else held_out  # a threshold and a floor need one each
        truth = None if test.labels is None else test.labels[chosen]
    unseen, _ = nearest(new[: 2 * sizes.covered], features)
    real = Reference(sizes, features, held_out, unseen)
    floor = real.compare_held_out()
    if predicted is not None and truth is not None:
        floor["agreement"] = agreement(predicted, truth)
    return replace(real, floor=floor, collapsed=real.compare(collapsed))


def one_per_class(labels: np.ndarray | None, count: int) -> np.ndarray:
    """Indices int64 [count]: every image replaced by the first image of its class."""
    if labels is None:
        return np.zeros(count, np.int64)
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    return first[which]


def _cache_file(
    network: FeatureNetwork,
    train: Dataset,
    test: Dataset | None,
    sizes: Sizes,
    cache: Path | None,
) -> Path:
    tested = None if test is None else test.fingerprint
    parts = (METHOD, network.sha256, train.fingerprint, tested, asdict(sizes))
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
    return (cache or default_cache()) / "references" / f"{key}.npz"


def _write(path: Path, real: Reference) -> None:
    """Write a temporary file, flush and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(real, name) for name in ARRAYS}
    arrays |= {name: np.array(json.dumps(getattr(real, name))) for name in BOUNDS}
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".draft-", delete=False) as draft:
        np.savez(draft, allow_pickle=False, **arrays)
    sync_file(Path(draft.name))
    replace_durably(Path(draft.name), path)
