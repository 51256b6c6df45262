"""The choice between release and canary, and between members of an ensemble."""

import hashlib
from pathlib import Path

import pytest

from mirage.bundle.format.latents import member_of, takes_canary
from mirage.bundle.format.manifest import Manifest, Member
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.publish import publish_ensemble
from tests.bundles import make_bundle

SEEDS = range(4000)
KNOWN = [2, 1, 2, 2, 1, 2, 2, 2, 2, 1, 1, 2]  # of toy@3, seed 0, index 0 …


@pytest.fixture
def ensemble(tmp_path: Path) -> Manifest:
    """toy@3 of version 1 with weight 1 and version 2 with weight 3."""
    for seed in range(2):
        make_bundle(tmp_path, seed=seed)
    members = [Member(version=1, weight=1.0), Member(version=2, weight=3.0)]
    return read_manifest(publish_ensemble(tmp_path, "toy", members))


def test_the_canary_gets_its_share_of_the_seeds() -> None:
    for share in (0.05, 0.5):
        taken = sum(takes_canary("mnist", seed, share) for seed in SEEDS)
        assert taken / len(SEEDS) == pytest.approx(share, abs=0.02)


def test_share_0_takes_no_seed_and_share_1_takes_all() -> None:
    assert not any(takes_canary("mnist", seed, 0.0) for seed in SEEDS)
    assert all(takes_canary("mnist", seed, 1.0) for seed in SEEDS)


def test_a_larger_share_includes_the_seeds_of_a_smaller_one() -> None:
    small = {seed for seed in SEEDS if takes_canary("mnist", seed, 0.1)}
    assert small < {seed for seed in SEEDS if takes_canary("mnist", seed, 0.3)}


def test_known_seeds_follow_the_documented_hash() -> None:
    place = int.from_bytes(hashlib.sha256(b"mnist:7").digest()[:8], "big") / 2**64
    assert place == pytest.approx(0.892251, abs=1e-6)
    assert takes_canary("mnist", 7, place + 1e-9)
    assert not takes_canary("mnist", 7, place)


def test_members_are_chosen_by_weight(ensemble: Manifest) -> None:
    made = [member_of(ensemble, 7, index).version for index in SEEDS]
    assert set(made) == {1, 2}
    assert made.count(2) / len(made) == pytest.approx(0.75, abs=0.02)
    assert made[:8] == [member_of(ensemble, 7, index).version for index in range(8)]


def test_known_images_have_known_members(ensemble: Manifest) -> None:
    place = int.from_bytes(hashlib.sha256(b"toy@3:7:0").digest()[:8], "big") / 2**64
    assert member_of(ensemble, 7, 0).version == (1 if place < 0.25 else 2)
    assert [member_of(ensemble, 0, index).version for index in range(12)] == KNOWN
