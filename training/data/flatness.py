"""How much of a data set is of flat colour."""

import numpy as np

SIDE = 3
FLAT = 1.5
"""Standard deviation in grey levels below which a neighbourhood counts as flat."""
MOST = 500
"""Images that are looked at."""
BLOCK_BYTES = 2 << 20
"""Bytes of the neighbourhoods that are looked at together; at least one row of an image."""


def flat_share(images: np.ndarray) -> float:
    """The share in [0, 1] of the neighbourhoods of 3x3 pixels that have one colour.

    images: uint8 [N, H, W, C]. Not counted are white, black and transparent neighbourhoods, which
    photographs of things have too.
    """
    count, height, width, channels = images.shape
    if min(height, width) < SIDE:
        return 0.0
    places, tops = range(0, count, -(-count // MOST)), height - SIDE + 1
    rows = max(1, BLOCK_BYTES // (4 * min(channels, 3) * SIDE**2 * width))
    flat = 0
    for place in places:
        image = images[place]
        flat += sum(_flat(image[top : top + rows + SIDE - 1]) for top in range(0, tops, rows))
    return flat / (len(places) * tops * (width - SIDE + 1))


def _flat(pixels: np.ndarray) -> int:
    """The number of neighbourhoods in pixels uint8 [H, W, C] that count as flat."""
    colours = pixels[..., :3].astype(np.float32)
    if pixels.shape[2] == 4:
        colours[pixels[..., 3] < 255] = 255
    around = np.lib.stride_tricks.sliding_window_view(colours, (SIDE, SIDE), axis=(0, 1))
    flat = around.std(axis=(-2, -1)).max(axis=-1) < FLAT
    extreme = (around.min(axis=(-3, -2, -1)) > 255 - FLAT) | (around.max(axis=(-3, -2, -1)) < FLAT)
    return int((flat & ~extreme).sum())
