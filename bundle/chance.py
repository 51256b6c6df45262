"""Which version makes an image where several could: by its seed, so the same one every time."""

import hashlib

from mirage.bundle.manifest import Manifest, Member


def takes_canary(name: str, seed: int, share: float) -> bool:
    """Whether the canary of a model, with a share of 0 … 1, answers for this seed."""
    return _fraction(f"{name}:{seed}") < share


def member_of(manifest: Manifest, seed: int, index: int) -> Member:
    """The member of an ensemble that makes this image."""
    total = sum(member.weight for member in manifest.members)
    place = total * _fraction(f"{manifest.name}@{manifest.version}:{seed}:{index}")
    reached = 0.0
    for member in manifest.members:
        reached += member.weight
        if place < reached:
            return member
    return manifest.members[-1]


def _fraction(text: str) -> float:
    """A number of 0 … 1 that looks random and is always the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
