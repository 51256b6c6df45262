"""Presets for sounds and for sequences of symbols."""

from typing import Any

SEQUENCE: dict[str, Any] = {
    "family": "sequence",
    "latent_dim": 64,
    "hidden": 256,
    "mapping": 2,
    "loss": "relativistic",
    "beta1": 0.0,
    "batch_size": 64,
    "precision": "auto",
}

WORDS: dict[str, Any] = SEQUENCE | {
    # Short sequences of about 12 symbols.
    "kimg": 2_000,
    "widths": [128, 96, 64],
    "strides": [2, 2],
    "blocks": [1, 1, 1],
    "gamma": 1.0,
    "lr": {"start": 3e-4, "end": 3e-5, "from_kimg": 800, "to_kimg": 2_000},
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 200},
    "ema_half_life_kimg": {"start": 0.0, "end": 30.0, "to_kimg": 200},
}

DNA: dict[str, Any] = WORDS | {
    # The coarser of two stages has a place for each codon.
    "kimg": 1_000,
    "widths": [192, 128, 64],
    "strides": [2, 3],
    "lr": {"start": 3e-4, "end": 3e-5, "from_kimg": 400, "to_kimg": 1_000},
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 100},
    "ema_half_life_kimg": {"start": 0.0, "end": 30.0, "to_kimg": 100},
}

SOUND: dict[str, Any] = SEQUENCE | {
    # About a second at 8 kHz, in the manner of WaveGAN (Donahue et al. 2019).
    "kimg": 300,
    "widths": [256, 128, 64, 32, 16],
    "strides": [4, 4, 4, 4],
    "span": 6,
    "edge": 25,
    "phase_shuffle": 2,
    "gamma": 1.0,
    "mismatch": 0.2,
    "lr": {"start": 3e-4, "end": 3e-5, "from_kimg": 100, "to_kimg": 300},
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 50},
    "ema_half_life_kimg": {"start": 0.0, "end": 10.0, "to_kimg": 50},
    "batch_size": 32,
}
