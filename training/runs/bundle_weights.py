"""The weights of a bundle: `weights.safetensors`."""

from pathlib import Path

from mirage.bundle.format.manifest import IMPORTED, Manifest
from mirage.bundle.format.verify import load_bundle
from mirage.training.errors import DataError, UsageError

WEIGHTS = "weights.safetensors"


def find_weights(bundle: Path) -> tuple[Manifest, Path]:
    """Verify a bundle; returns its manifest and the file of its weights.

    Raises BundleError for an invalid bundle, UsageError for an imported generator, and DataError
    for another bundle without weights.
    """
    manifest = load_bundle(bundle).manifest
    name = f"{manifest.name}@{manifest.version}"
    if manifest.training.preset == IMPORTED:
        raise UsageError(
            f"{bundle} is {name}, which was imported as a graph without trainable weights; a bundle"
            " that Mirage trained, or a run, is allowed"
        )
    if WEIGHTS not in manifest.files:
        raise DataError(f"{bundle} is {name}, which has no {WEIGHTS}")
    return manifest, bundle / WEIGHTS
