"""Presets: complete settings by name, which --set key=value changes."""

from typing import Any

from mirage.training.sequence_presets import DNA, SOUND, WORDS

MNIST: dict[str, Any] = {
    # The recipe of R3GAN (NeurIPS 2024) at a size for two CPU cores: relativistic pairing, exact R1
    # and R2 in every step, no momentum, a cosine burn-in of gamma, beta 2 and EMA. Small batches
    # learn most per image. Real images with wrong labels as additional fakes improve the classes;
    # the latent gain restores the variety that this costs.
    "kimg": 1800,
    "family": "strided",
    "latent_dim": 64,
    "widths": [96, 48, 24],
    "hidden": 256,
    "mapping": 2,
    "latent_gain": 1.06,
    "loss": "relativistic",
    "gamma": {"start": 1.0, "end": 0.4, "to_kimg": 200},
    "mismatch": 0.2,
    "lr": {"start": 3e-4, "end": 2e-5, "from_kimg": 600, "to_kimg": 1800},
    "beta1": 0.0,
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 200},
    "ema_half_life_kimg": {"start": 0.0, "end": 30.0, "to_kimg": 200},
    "batch_size": 32,
    "precision": "auto",
}

DCGAN: dict[str, Any] = {
    # A baseline as in tutorials: cross-entropy, Adam with the settings of Radford et al. 2015, no
    # penalty, no EMA.
    "kimg": 2000,
    "family": "dcgan",
    "latent_dim": 100,
    "widths": [256, 128, 64],
    "loss": "non-saturating",
    "gamma": 0.0,
    "lr": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "ema_half_life_kimg": 0.0,
    "batch_size": 256,
}

STACKED_MNIST: dict[str, Any] = {
    # Table 9 of the R3GAN paper: a digit per colour channel, 1,000 modes, 20 M weights per network.
    "kimg": 10_000,
    "family": "residual",
    "latent_dim": 64,
    "widths": [768, 768, 768],
    "blocks": [3, 3, 2],
    "loss": "relativistic",
    "gamma": {"start": 1.0, "end": 0.1, "to_kimg": 2000},
    "lr": 2e-4,
    "beta1": 0.0,
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 2000},
    "ema_half_life_kimg": {"start": 0.0, "end": 500.0, "to_kimg": 2000},
    "batch_size": 512,
    "precision": "auto",
    "snapshot_kimg": 250,
    "checkpoint_kimg": 250,
}

STACKED_MNIST_SMALL: dict[str, Any] = {
    # The same data with networks for a CPU.
    "kimg": 2_500,
    "family": "strided",
    "latent_dim": 64,
    "widths": [96, 48, 24],
    "hidden": 256,
    "mapping": 2,
    "loss": "relativistic",
    "gamma": {"start": 1.0, "end": 0.2, "to_kimg": 500},
    "lr": {"start": 3e-4, "end": 3e-5, "from_kimg": 1000, "to_kimg": 2500},
    "beta1": 0.0,
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 200},
    "ema_half_life_kimg": {"start": 0.0, "end": 50.0, "to_kimg": 500},
    "batch_size": 32,
    "precision": "auto",
    "snapshot_kimg": 250,
}

CIFAR10: dict[str, Any] = {
    # Table 9 of the R3GAN paper; 250 million images take days on several GPUs.
    "kimg": 250_000,
    "family": "residual",
    "latent_dim": 64,
    "widths": [768, 768, 768, 768],
    "hidden": 768,
    "loss": "relativistic",
    "gamma": {"start": 0.05, "end": 0.005, "to_kimg": 20_000},
    "augment": ["flip", "translate", "colour", "cutout"],
    "augment_probability": {"start": 0.0, "end": 0.55, "to_kimg": 20_000},
    "lr": {"start": 2e-4, "end": 5e-5, "to_kimg": 20_000},
    "beta1": 0.0,
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 20_000},
    "ema_half_life_kimg": {"start": 0.0, "end": 5_000.0, "to_kimg": 20_000},
    "further_half_lives_kimg": [1_000],
    "batch_size": 512,
    "precision": "auto",
    "snapshot_kimg": 1_000,
    "checkpoint_kimg": 1_000,
}

EMOJI: dict[str, Any] = {
    # A few thousand transparent pictures at 64x64, with adaptive augmentation.
    "kimg": 3_000,
    "family": "strided",
    "latent_dim": 64,
    "widths": [256, 128, 64, 32],
    "hidden": 256,
    "mapping": 2,
    "loss": "relativistic",
    "gamma": {"start": 2.0, "end": 0.5, "to_kimg": 300},
    "augment": ["translate", "cutout", "colour"],
    "augment_target": 0.6,
    "augment_speed_kimg": 200,
    "lr": {"start": 3e-4, "end": 3e-5, "from_kimg": 1_000, "to_kimg": 3_000},
    "beta1": 0.0,
    "beta2": {"start": 0.9, "end": 0.99, "to_kimg": 300},
    "ema_half_life_kimg": {"start": 0.0, "end": 30.0, "to_kimg": 300},
    "batch_size": 32,
    "precision": "auto",
}

AVATARS: dict[str, Any] = {
    # 948 transparent pictures at 32x32, with --mirror; about 190 minutes of processor time with
    # AVX512-bf16. The generator first learns to reconstruct them. The soft clamp gives flat
    # backgrounds and alpha; without it the discriminator detects planes that are not exactly flat.
    # A palette does the same for all areas of one colour. After so long a run it has worse scores,
    # 1.65 times the distance of 7x7 patches; at 200 kimg it has 1.22, without it 1.36. At 240 kimg,
    # its scores are as good as after this run, but clothes show a pattern of dots. The bilateral
    # filter removes the grain of generated images (`media/bilateral`).
    # Gamma starts high, because a low one loses variety early, and falls for details. The networks
    # begin at 4x4: a first map of 8x8 and 256 hidden values make a bundle three times as large, and
    # samples no better at 50 kimg. With `zoom` and the block at full size, the distance of 7x7
    # patches is 1.4 times that between real images; without the two, 1.9 times. These were measured
    # with networks two thirds as wide. With roles as classes, such ones take three quarters of the
    # time and end, after the second cycle and with the filter, with 1.2 times the distance between
    # real images; these end with 1.0 times.
    "kimg": 560,
    "family": "strided",
    "latent_dim": 64,
    "widths": [192, 144, 96, 48],
    "blocks": [0, 1, 1, 1],
    "hidden": 192,
    "mapping": 2,
    "normalize": "rms",
    "transparency": "on-white",
    "bilateral": 3,
    "clamp_slope": 0.02,
    "warm_start_kimg": 8,
    "loss": "relativistic",
    "gamma": {"start": 1.0, "end": 0.1, "from_kimg": 8, "to_kimg": 258},
    "augment": ["translate", "zoom", "cutout-white"],
    "augment_target": 0.6,
    "augment_speed_kimg": 100,
    "lr": {"start": 3e-4, "end": 3e-5, "from_kimg": 280, "to_kimg": 560},
    "beta1": 0.0,
    "beta2": 0.99,
    "ema_half_life_kimg": {  # about a twentieth of the images of adversarial training so far
        "start": 0.5,
        "end": 5.0,
        "from_kimg": 8,
        "to_kimg": 108,
        "then": {"start": 5.0, "end": 20.0, "from_kimg": 108, "to_kimg": 408},
    },
    "batch_size": 32,
    "precision": "auto",
}

AVATARS_FINISH: dict[str, Any] = AVATARS | {
    # A second cycle of the learning rate, with --from a run of `avatars`; half an hour. The
    # distance of 7x7 patches fell from 1.4 to 1.2 times that between real images with networks
    # two thirds as wide, and stays 1.0 with these; a third cycle changes nothing.
    "kimg": 96,
    "warm_start_kimg": 0,
    "gamma": 0.1,
    "augment_probability": 0.45,
    "augment_speed_kimg": 17,
    "lr": {"start": 3e-4, "end": 2e-5, "from_kimg": 24, "to_kimg": 96},
    "ema_half_life_kimg": {
        "start": 1.0,
        "end": 8.0,
        "from_kimg": 0,
        "to_kimg": 60,
        "then": {"start": 5.0, "end": 20.0, "from_kimg": 18.5, "to_kimg": 70},
    },
}

UPSCALE: dict[str, Any] = {
    # A network of 0.11 M weights for fast serving on a CPU. Crops are larger than its receptive
    # radius of 12 pixels, so that many pixels do not see the border.
    "task": "upscale",
    "family": "compact",
    "scale": 4,
    "widths": [32],
    "blocks": [5],
    "crop": 40,
    "content": "charbonnier",
    "loss": "relativistic",
    "gamma": 0.01,
    "beta1": 0.9,
    "beta2": 0.99,
    "ema_half_life_kimg": {"start": 0.0, "end": 8.0, "to_kimg": 40},
    "batch_size": 8,
    "precision": "auto",
    "status_kimg": 8,
    "snapshot_kimg": 100,
    "checkpoint_kimg": 20,
}

ICON_X4: dict[str, Any] = UPSCALE | {
    # Drawings are learned quickly: after a tenth of this they are ten decibels above bicubic.
    "kimg": 200,
    "lr": {"start": 1e-3, "end": 1e-6, "from_kimg": 30, "to_kimg": 200},
}

PHOTO_X4: dict[str, Any] = UPSCALE | {
    # Content loss for 800 kimg, about an hour on one core. --kimg 900 adds adversarial training,
    # which was measured only with gamma 0.005; see docs/upscaling.md. The discriminator starts with
    # the adversarial ratio. That rises slowly, so that the discriminator has learned something
    # before it affects the generator.
    "kimg": 800,
    "lr": {
        "start": 1e-3,
        "end": 1e-6,
        "from_kimg": 80,
        "to_kimg": 800,
        "then": {
            "start": 5e-4,
            "end": 2e-5,
            "from_kimg": 800,
            "to_kimg": 900,
        },
    },
    "discriminator_lr": 1e-3,
    "gamma": 0.02,
    "adversarial_ratio": {"start": 0.0, "end": 1.0, "from_kimg": 800, "to_kimg": 815},
    "snapshot_kimg": 400,
}

PHOTO_X4_LARGE: dict[str, Any] = PHOTO_X4 | {
    # For a GPU, and for pictures from phones and web pages rather than from a resize.
    "kimg": 30_000,
    "widths": [64],
    "blocks": [16],
    "discriminator_widths": [64, 128],
    "crop": 48,
    "degrade": ["blur", "noise", "jpeg"],
    "lr": {
        "start": 5e-4,
        "end": 1e-5,
        "from_kimg": 2_000,
        "to_kimg": 24_000,
        "then": {
            "start": 2e-4,
            "end": 1e-5,
            "from_kimg": 24_000,
            "to_kimg": 30_000,
        },
    },
    "discriminator_lr": 2e-4,
    "adversarial_ratio": {"start": 0.0, "end": 1.0, "from_kimg": 24_000, "to_kimg": 24_500},
    "ema_half_life_kimg": {"start": 0.0, "end": 50.0, "to_kimg": 500},
    "batch_size": 32,
    "status_kimg": 50,
    "snapshot_kimg": 1_000,
    "checkpoint_kimg": 500,
}

TRANSLATE_SMALL: dict[str, Any] = {
    # Contrastive one-sided translation (Park et al. 2020) of pictures of 32 to 64 pixels. Source
    # and target are random pairs, so the discriminator needs wide stages and a weak penalty: with
    # 32 and 64 channels and a gamma of 0.5 its margin stayed at 0.1 and outlines stayed grey.
    "kimg": 240,
    "task": "translate",
    "family": "resampled",
    "widths": [32, 64, 96],
    "blocks": [3],
    "discriminator_widths": [64, 128],
    "crop": 32,
    "content": "contrastive",
    "loss": "relativistic",
    "gamma": 0.1,
    "lr": {"start": 5e-4, "end": 1e-5, "from_kimg": 80, "to_kimg": 240},
    "beta1": 0.0,
    "beta2": 0.99,
    "ema_half_life_kimg": {"start": 0.0, "end": 4.0, "to_kimg": 40},
    "batch_size": 16,
    "precision": "auto",
    "status_kimg": 2,
    "snapshot_kimg": 10,
    "checkpoint_kimg": 5,
}

TRANSLATE: dict[str, Any] = TRANSLATE_SMALL | {
    # For a GPU and pictures of 256 pixels and more, with the widths and blocks of Johnson et al.
    # 2016. Not yet trained to the end.
    "kimg": 4_000,
    "widths": [64, 128, 256],
    "blocks": [9],
    "discriminator_widths": [64, 128, 256],
    "crop": 256,
    "lr": {"start": 2e-4, "end": 2e-6, "from_kimg": 2_000, "to_kimg": 4_000},
    "embedding": 256,
    "ema_half_life_kimg": {"start": 0.0, "end": 20.0, "to_kimg": 200},
    "status_kimg": 20,
    "snapshot_kimg": 200,
    "checkpoint_kimg": 100,
}

PAIRED: dict[str, Any] = TRANSLATE_SMALL | {
    # The loss to the twin outweighs the adversarial loss as in pix2pix (Isola et al. 2017). Not yet
    # trained to the end.
    "paired": True,
    "content": "l1",
    "content_weight": 100,
}

PRESETS: dict[str, dict[str, Any]] = {
    "mnist": MNIST,
    "dcgan": DCGAN,
    "stacked-mnist": STACKED_MNIST,
    "stacked-mnist-small": STACKED_MNIST_SMALL,
    "cifar10": CIFAR10,
    "emoji": EMOJI,
    "avatars": AVATARS,
    "avatars-finish": AVATARS_FINISH,
    "words": WORDS,
    "dna": DNA,
    "sound": SOUND,
    "icon-x4": ICON_X4,
    "photo-x4": PHOTO_X4,
    "photo-x4-large": PHOTO_X4_LARGE,
    "translate-small": TRANSLATE_SMALL,
    "translate": TRANSLATE,
    "paired": PAIRED,
}
