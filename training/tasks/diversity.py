"""Diversity of generated images relative to real ones, without a feature network."""

from collections.abc import Callable

import numpy as np

KINDS = 16
"""Number of clusters if there are no classes."""
MAX_SIDE = 32
"""Images are compared at most at this many pixels a side, so that 2,000 take at most 33 MB."""
BLOCK_BYTES = 4 << 20
"""Bytes of images reduced at a time; at least one image."""
LEAST = 1e-3
"""Real images that vary by less, in grey levels or nats, cannot serve as a reference."""


class DiversityMonitor:
    """Measures generated images relative to real ones, at most `MAX_SIDE` pixels a side.

    images: uint8 or float32 [N, H, W, C]. labels: int64 [N] or None. requested: labels int64 of the
    fixed samples to be measured, or None. Clusters are the mean image of each requested class, or
    some real images if there are no classes. Each sample belongs to the cluster with the highest
    cosine similarity after the overall mean is subtracted; similarity of directions does not depend
    on contrast, which is low in early, averaged samples. Without images of these classes nothing is
    measured.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray | None, requested: np.ndarray | None
    ) -> None:
        if labels is not None and requested is not None:
            chosen = np.isin(labels, requested)
            images, labels = images[chosen], labels[chosen]
        self._requested, self._spread, self._entropy = requested, 0.0, 0.0
        if not len(images):
            return
        pixels = _pixels(images)
        self._mean = pixels.mean(0)
        self._kinds = self._kinds_of(pixels, labels)
        self._spread = _spread(pixels, labels)
        self._entropy = self._entropy_of(pixels)

    def measure(self, samples: np.ndarray) -> dict[str, float]:
        """Spread and entropy of uint8 [N, H, W, C] as ratios to the real images'.

        Omits statistics for which the real images have no variation.
        """
        pixels, measured = _pixels(samples), {}
        if self._spread > LEAST:
            measured["spread"] = _spread(pixels, self._requested) / self._spread
        if self._entropy > LEAST:
            measured["entropy"] = self._entropy_of(pixels) / self._entropy
        return measured

    def _kinds_of(self, pixels: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """The cluster directions, float32 [K, H * W * C] of length 1."""
        classes = () if labels is None else np.unique(labels)
        if len(classes) > 1:
            kinds = np.stack([pixels[labels == k].mean(0) for k in classes])
        else:
            kinds = pixels[:: max(1, len(pixels) // KINDS)][:KINDS]
        kinds = kinds - self._mean
        return kinds / np.maximum(np.linalg.norm(kinds, axis=1, keepdims=True), 1e-9)

    def _entropy_of(self, pixels: np.ndarray) -> float:
        """The entropy of cluster frequencies, in nats."""
        found = ((pixels - self._mean) @ self._kinds.T).argmax(1)
        counts = np.bincount(found, minlength=len(self._kinds))
        shares = counts[counts > 0] / len(pixels)
        return float(-(shares * np.log(shares)).sum())


def shrink(
    images: np.ndarray,
    indices: np.ndarray | None = None,
    view: Callable[[np.ndarray], np.ndarray] = lambda images: images,
) -> np.ndarray:
    """Reduce [N, H, W, C] to float32 [N, h, w, C] of at most `MAX_SIDE` by averaging areas.

    indices: of the images, int64; None uses all. view: makes images of what is
    stored. Images are read in blocks, which bounds memory.
    """
    chosen = np.arange(len(images)) if indices is None else indices
    at_once = max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    blocks = [chosen[at : at + at_once] for at in range(0, len(chosen), at_once)]
    return np.concatenate([_means(_means(view(images[block]), axis=1), axis=2) for block in blocks])


def _means(images: np.ndarray, axis: int) -> np.ndarray:
    """Average over equal parts of an axis, as float32; short axes are unchanged."""
    size = images.shape[axis]
    if size <= MAX_SIDE:
        return images.astype(np.float32)
    edges = np.arange(MAX_SIDE) * size // MAX_SIDE
    counts = np.diff(edges, append=size).astype(np.float32)
    sums = np.add.reduceat(images, edges, axis=axis, dtype=np.float32)
    return sums / np.expand_dims(counts, tuple(range(1, images.ndim - axis)))


def _pixels(images: np.ndarray) -> np.ndarray:
    return shrink(images).reshape(len(images), -1)


def _spread(pixels: np.ndarray, labels: np.ndarray | None) -> float:
    """Standard deviation in grey levels, averaged over classes and pixels."""
    groups = [pixels] if labels is None else [pixels[labels == k] for k in np.unique(labels)]
    return float(np.mean([group.std(0).mean() for group in groups if len(group) > 1] or [0.0]))
