"""Presets as data: each is a complete recipe, changed setting by setting with --set key=value."""

from typing import Any

MNIST: dict[str, Any] = {
    # The recipe of R3GAN (NeurIPS 2024): relativistic pairing, exact R1 and R2 in every step, no
    # momentum, a cosine burn-in of gamma, beta 2 and EMA; at a size for two CPU cores. Small
    # batches learn most from each image: after 60 kimg the Frechet distance was 95 with 128 images
    # to a batch, 47 with 64 and 28 with 32.
    "kimg": 1600,
    "family": "strided",
    "latent_dim": 64,
    "widths": [96, 48, 24],
    "hidden": 128,
    "loss": "relativistic",
    "gamma": {
        "start": 1.0,
        "end": 0.1,
        "to_kimg": 200,
        "then": {"start": 0.1, "end": 0.02, "from_kimg": 1200, "to_kimg": 1300},
    },
    "lr": {
        "start": 3e-4,
        "end": 2e-5,
        "from_kimg": 200,
        "to_kimg": 1200,
        "then": {"start": 1.5e-4, "end": 1e-5, "from_kimg": 1200, "to_kimg": 1600},
    },
    "beta1": 0.0,
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 200},
    "ema_half_life_kimg": {"start": 0.0, "end": 30.0, "to_kimg": 200},
    "batch_size": 32,
    "precision": "auto",
}

DCGAN: dict[str, Any] = {
    # What tutorials teach, to compare with: cross-entropy, Adam at 1e-4, no penalty, no EMA.
    "kimg": 2000,
    "family": "dcgan",
    "latent_dim": 100,
    "widths": [256, 128, 64],
    "loss": "non-saturating",
    "gamma": 0.0,
    "lr": 1e-4,
    "beta1": 0.9,
    "beta2": 0.999,
    "ema_half_life_kimg": 0.0,
    "batch_size": 256,
}

PRESETS: dict[str, dict[str, Any]] = {"mnist": MNIST, "dcgan": DCGAN}
