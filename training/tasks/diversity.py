"""How various generated images are, measured against real ones without any judge."""

import numpy as np

KINDS = 16
"""Kinds of images where there are no classes to tell them apart."""
MAX_SIDE = 32
"""Images are compared at no more than this many pixels a side, so that 2,000 take 33 MB at most."""
BLOCK_BYTES = 4 << 20
"""Of images that are shrunk at once; one image if it is larger."""
LEAST = 1e-3
"""Real images that vary by less, in grey levels or nats, are no measure."""


class DiversityMonitor:
    """Real images by which generated ones are measured, all of them shrunk to `MAX_SIDE`.

    images: uint8 or float32 [N, H, W, C]; labels int64 [N] or None; requested: labels int64 of the
    fixed samples that will be measured, or None. Kinds are the mean images of the requested
    classes, or where there are none a few of the real images. An image is of the kind that it
    resembles most once the mean of all is taken away: by direction, so that blurred and pale
    images, as an average makes them early on, are no single kind.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray | None, requested: np.ndarray | None
    ) -> None:
        if labels is not None and requested is not None:
            chosen = np.isin(labels, requested)
            images, labels = images[chosen], labels[chosen]
        pixels = _pixels(images)
        self._requested = requested
        self._mean = pixels.mean(0)
        self._kinds = self._kinds_of(pixels, labels)
        self._spread = _spread(pixels, labels)
        self._entropy = self._entropy_of(pixels)

    def measure(self, samples: np.ndarray) -> dict[str, float]:
        """Spread and entropy of uint8 [N, H, W, C], as shares of the real images'.

        What real images have none of is left out.
        """
        pixels, measured = _pixels(samples), {}
        if self._spread > LEAST:
            measured["spread"] = _spread(pixels, self._requested) / self._spread
        if self._entropy > LEAST:
            measured["entropy"] = self._entropy_of(pixels) / self._entropy
        return measured

    def _kinds_of(self, pixels: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Directions float32 [K, H * W * C] of length 1."""
        classes = () if labels is None else np.unique(labels)
        if len(classes) > 1:
            kinds = np.stack([pixels[labels == k].mean(0) for k in classes])
        else:
            kinds = pixels[:: max(1, len(pixels) // KINDS)][:KINDS]
        kinds = kinds - self._mean
        return kinds / np.maximum(np.linalg.norm(kinds, axis=1, keepdims=True), 1e-9)

    def _entropy_of(self, pixels: np.ndarray) -> float:
        """Of the kinds, in nats."""
        found = ((pixels - self._mean) @ self._kinds.T).argmax(1)
        counts = np.bincount(found, minlength=len(self._kinds))
        shares = counts[counts > 0] / len(pixels)
        return float(-(shares * np.log(shares)).sum())


def shrink(images: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """[N, H, W, C] -> float32 [N, h, w, C] with sides of at most `MAX_SIDE`: means of areas.

    indices: which images, int64; None takes all. They are read a few at a time, so that memory
    does not grow with H and W.
    """
    chosen = np.arange(len(images)) if indices is None else indices
    at_once = max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    blocks = [chosen[at : at + at_once] for at in range(0, len(chosen), at_once)]
    return np.concatenate([_means(_means(images[block], axis=1), axis=2) for block in blocks])


def _means(images: np.ndarray, axis: int) -> np.ndarray:
    """Means over equal parts of an axis, as float32; the axis as it is where it is short enough."""
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
    """Mean over classes and pixels of the standard deviation, in grey levels."""
    groups = [pixels] if labels is None else [pixels[labels == k] for k in np.unique(labels)]
    return float(np.mean([group.std(0).mean() for group in groups if len(group) > 1] or [0.0]))
