from pathlib import Path

import numpy as np
import pytest
import torch

from mirage.training.config import TrainConfig, build_config
from mirage.training.errors import DataError, UsageError
from mirage.training.media.pixels import to_float
from mirage.training.runs.checkpoint import load_latest, load_snapshot
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import architecture_of
from mirage.training.tasks.warm_start import WarmStartBatches
from tests.training.helpers.datasets import TINY, shapes_dataset

WARM = {**TINY, "warm_start_kimg": 0.03, "status_kimg": 0.008}
"""Four batches of eight images."""


def config_of(preset: str = "mnist", **changes: object) -> TrainConfig:
    return build_config(preset, {**WARM, **changes})


def batches() -> WarmStartBatches:
    config = config_of()
    codes = np.random.default_rng(0).standard_normal((96, config.latent_dim), np.float32)
    return WarmStartBatches(config, shapes_dataset(), codes)


def test_images_come_with_their_labels_and_latents_near_their_codes() -> None:
    source = batches()
    (batch,) = source.draw(0, slice(None))
    data = source.dataset
    for image, latents, label in zip(batch.images, batch.latents, batch.labels, strict=True):
        at = np.linalg.norm(source.codes - latents.numpy(), axis=1).argmin()
        assert torch.equal(image, to_float(data.images[at : at + 1])[0])
        assert label == data.labels[at]
    assert batch.latents.dtype is torch.float32


def test_a_part_of_a_batch_equals_that_part_of_the_whole() -> None:
    (whole,) = batches().draw(8, slice(None))
    (part,) = batches().draw(8, slice(4, 8))
    assert torch.equal(part.images, whole.images[4:])
    assert torch.equal(part.latents, whole.latents[4:])


def test_only_the_generator_is_trained_and_copied_to_its_average() -> None:
    config = config_of(augment="translate", augment_target=0.6)
    state = TrainState(config, architecture_of(config, shapes_dataset().sheet()))
    before = {name: value.clone() for name, value in state.discriminator.state_dict().items()}
    step, source = Step(config, state), batches()
    statistics = step(0, *source.draw(0, slice(None)))
    assert statistics.keys() == {"reconstruction", "w_gradient"}
    after = state.discriminator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    average = state.ema.state_dict()
    assert all(torch.equal(v, average[k]) for k, v in state.generator.state_dict().items())
    assert step.rules.schedule(0) == {"lr": 2e-3}
    assert step.rules.schedule(24)["lr"] < 1e-3


@pytest.mark.parametrize("changes", [{}, {"family": "residual"}, {"preset": "dcgan"}], ids=str)
def test_every_family_learns_to_reconstruct(changes: dict[str, str]) -> None:
    changes = {"warm_start_kimg": "1", "widths": "32,16", **changes}
    config = config_of(changes.pop("preset", "mnist"), **changes)
    state = TrainState(config, architecture_of(config, shapes_dataset().sheet()))
    step, source = Step(config, state), batches()
    steps = range(0, 1000, 8)
    losses = [step(nimg, *source.draw(nimg, slice(None)))["reconstruction"] for nimg in steps]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:3])


def test_adversarial_training_starts_after_the_warm_start(tmp_path: Path) -> None:
    run = train(config_of(kimg=0.064), shapes_dataset(), tmp_path / "run", threads=1)
    lines = run.read_stats()
    warm = [line["nimg"] for line in lines if "reconstruction" in line]
    played = [line["nimg"] for line in lines if "d_loss" in line]
    assert (warm, played) == ([8, 16, 24, 32], [40, 48, 56, 64])
    assert (run.samples / "000000032.png").exists()
    assert load_snapshot(run.latest_snapshot()).nimg == 64
    assert np.load(run.codes_file).shape == (96, 8)


def test_a_warm_start_resumes_bit_identically(tmp_path: Path) -> None:
    for name, kimgs in (("broken", (0.016, 0.04, 0.056)), ("whole", (0.056,))):
        for kimg in kimgs:
            train(config_of(kimg=kimg), shapes_dataset(), tmp_path / name, threads=1)
    states = [load_latest(tmp_path / name / "checkpoints") for name in ("broken", "whole")]
    one, other = (state["players"] for state in states)
    for network in ("generator", "discriminator", "ema"):
        assert all(torch.equal(one[network][k], v) for k, v in other[network].items())
    assert not one["warm_start_optimizer"]["state"]


def test_lost_codes_are_not_recomputed(tmp_path: Path) -> None:
    run = train(config_of(kimg=0.016), shapes_dataset(), tmp_path / "run", threads=1)
    run.codes_file.unlink()
    with pytest.raises(DataError, match=r"codes\.npy cannot be read; use a new --run"):
        train(config_of(kimg=0.032), shapes_dataset(), run.path, threads=1)


def test_a_run_without_a_warm_start_has_no_codes(tmp_path: Path) -> None:
    config = config_of(kimg=0.008, warm_start_kimg=0)
    train(config, shapes_dataset(), tmp_path / "run", threads=1)
    assert not Run(tmp_path / "run").codes_file.exists()


def test_upscalers_have_no_warm_start() -> None:
    with pytest.raises(UsageError, match="for upscale only 0 is allowed"):
        build_config("icon-x4", {"warm_start_kimg": 8})
