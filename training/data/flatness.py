"""How much of a data set is of flat colour."""

import numpy as np

SIDE = 3
FLAT = 1.5
"""Standard deviation in grey levels below which a neighbourhood counts as flat."""
MOST = 500
"""Images that are looked at."""


def flat_share(images: np.ndarray) -> float:
    """The share in [0, 1] of the neighbourhoods of 3x3 pixels that have one colour.

    images: uint8 [N, H, W, C]. Not counted are white, black and transparent neighbourhoods, which
    photographs of things have too.
    """
    chosen = images[:: -(-len(images) // MOST)]
    if min(chosen.shape[1:3]) < SIDE:
        return 0.0
    colours = chosen[..., :3].astype(np.float32)
    if chosen.shape[3] == 4:
        colours[chosen[..., 3] < 255] = 255
    around = np.lib.stride_tricks.sliding_window_view(colours, (SIDE, SIDE), axis=(1, 2))
    flat = around.std(axis=(-2, -1)).max(axis=-1) < FLAT
    extreme = (around.min(axis=(-3, -2, -1)) > 255 - FLAT) | (around.max(axis=(-3, -2, -1)) < FLAT)
    return float((flat & ~extreme).mean())
