"""Latent directions in closed form: what the generator's first layer answers to most.

Shen & Zhou, "Closed-Form Factorization of Latent Semantics in GANs", CVPR 2021, equations 4 and 5.
"""

import numpy as np
import torch
from torch import Tensor

from mirage.bundle.format.manifest import Direction

MOST = 8


def find_directions(weight: Tensor) -> tuple[Direction, ...]:
    """The eigenvectors of WᵀW of W float32 [outputs, latent_dim], the strongest first, 8 at most.

    The largest component of each is positive. None for a weight of zeros.
    """
    wide = weight.detach().double()
    values, vectors = torch.linalg.eigh(wide.T @ wide)  # in ascending order
    total = float(values.sum())
    if total <= 0:
        return ()
    strongest = zip(values.flip(0), vectors.flip(1).T, strict=True)
    return tuple(
        _direction(vector, float(value) / total) for value, vector in list(strongest)[:MOST]
    )


def _direction(vector: Tensor, strength: float) -> Direction:
    upright = vector * vector[vector.abs().argmax()].sign()
    # As text: the shortest number that is the same float32.
    components = tuple(float(str(value)) for value in upright.numpy().astype(np.float32))
    return Direction(vector=components, strength=min(1.0, max(0.0, round(strength, 6))))
