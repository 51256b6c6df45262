"""Published models as PyTorch modules."""

from pathlib import Path

from torch import nn

from mirage.training.runs.bundle_weights import find_weights
from mirage.training.runs.checkpoint import (
    ServedGenerator,
    ServedPictures,
    load_picture_network,
    load_snapshot,
)


def from_bundle(path: str | Path) -> nn.Module:
    """Load the bundle in `models/<name>/<version>` as a module in evaluation mode, on the CPU.

    The module computes what the bundle's graph computes: latents float32 `[N, latent_dim]`, and for
    conditional models labels int64 `[N]`, to images uint8 `[N, H, W, C]`; of models that take
    pictures, pictures uint8 `[N, H, W, C]` to images. Its child `generator` (or `network`) makes
    float32 images `[N, C, H, W]` in -1 … 1, through which gradients flow.
    Raises BundleError for an invalid bundle, UsageError for an imported one, DataError without
    weights.
    """
    manifest, weights = find_weights(Path(path))
    if manifest.pictures is None:
        return ServedGenerator(load_snapshot(weights).generator).eval()
    return ServedPictures(load_picture_network(weights).network).eval()
