from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mirage.training.config import TrainConfig, build_config
from mirage.training.networks.base import Architecture
from mirage.training.publish.export import export_onnx
from mirage.training.runs.checkpoint import load_latest, load_snapshot
from mirage.training.runs.growth import take_over
from mirage.training.runs.loop import train
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import Batches, architecture_of
from tests.training.helpers.datasets import TINY, shapes_dataset

GROWING = {
    **TINY,
    "widths": [16, 8, 8],
    "blocks": [1, 0, 1],
    "warm_start_kimg": 0.016,
    "grow_kimg": [0.04, 0.08],
    "augment": ["translate"],
    "augment_target": -0.9,
    "augment_speed_kimg": 0.1,
    "further_half_lives_kimg": [1.0],
    "watch.off": True,
}
"""Two steps that reconstruct; then 4, 8 and at last 16 pixels a side."""
DATA = shapes_dataset(side=16, channels=3)


def config_of(**changes: object) -> TrainConfig:
    return build_config("mnist", {**GROWING, "kimg": 0.12, **changes})


def states(played: int = 2) -> tuple[TrainState, TrainState]:
    """One with two stages after some steps, and one with three that has taken over from it."""
    config = config_of()
    final = architecture_of(config, DATA.sheet())
    before, after = (TrainState(config, final.before_growth(left)) for left in (1, 0))
    step, batches = Step(config, before), Batches(config, DATA)
    for nimg in range(48, 48 + 8 * played, 8):
        step(nimg, *batches.draw(nimg, slice(None)))
    take_over(after, before)
    return before, after


def sheet_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def enlarged(images: Tensor) -> Tensor:
    return F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def test_a_stage_begins_as_an_enlargement_of_what_was_there() -> None:
    before, after = states()
    latents, labels = torch.randn(4, 8), torch.tensor([0, 1, 0, 1])
    for name in ("generator", "ema"):
        small = getattr(before, name)(latents, labels)
        torch.testing.assert_close(getattr(after, name)(latents, labels), enlarged(small))
    assert not torch.equal(before.generator(latents, labels), before.ema(latents, labels))
    torch.testing.assert_close(
        after.further[1.0](latents, labels), enlarged(before.further[1.0](latents, labels))
    )


def test_the_discriminator_judges_images_as_it_did_smaller_ones() -> None:
    before, after = states()
    images, labels = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 0, 1])
    judged = before.discriminator(F.avg_pool2d(images, 2), labels)
    torch.testing.assert_close(after.discriminator(images, labels), judged)


def test_moments_and_the_probability_of_augmentation_go_on() -> None:
    before, after = states()
    old, new = before.discriminator_optimizer.state, after.discriminator_optimizer.state
    small, large = before.discriminator, after.discriminator
    for kept, parameter in (
        (small.from_image.weight, large.small[0].weight),
        (small.downs[0].weight, large.downs[1].weight),
        (small.hidden.weight, large.hidden.weight),
    ):
        assert torch.equal(old[kept]["exp_avg_sq"], new[parameter]["exp_avg_sq"])
    assert after.discriminator.from_image.weight not in new
    assert after.augment_probability.at(0) == before.augment_probability.at(0) > 0


def test_every_weight_learns_once_its_stage_is_there() -> None:
    _, after = states()
    step, batches = Step(after.config, after), Batches(after.config, DATA)
    networks = (after.generator, after.discriminator)
    values = [{k: v.clone() for k, v in network.named_parameters()} for network in networks]
    for nimg in (80, 88, 96):
        step(nimg, *batches.draw(nimg, slice(None)))
    still = [
        name
        for network, old in zip(networks, values, strict=True)
        for name, value in network.named_parameters()
        if torch.equal(value, old[name])
    ]
    assert still == []


def test_real_images_are_as_large_as_the_networks_make_them() -> None:
    batches = Batches(config_of(), DATA)
    sides = [batches.draw(nimg, slice(None))[0].images.shape[2] for nimg in (0, 40, 72, 80)]
    assert sides == [4, 8, 8, 16]
    small = batches.draw(0, slice(None))[0].images
    whole = Batches(config_of(grow_kimg=[]), DATA).draw(0, slice(None))[0].images
    torch.testing.assert_close(small, F.avg_pool2d(whole, 4))


def test_a_run_grows_and_leaves_grids_of_one_size(tmp_path: Path) -> None:
    run = train(config_of(), DATA, tmp_path / "run", threads=1)
    grids = sorted(run.samples.glob("[0-9]*.png"))
    assert {sheet_of(path).shape for path in grids} == {(160, 160, 3)}
    found = {
        int(p.stem): load_snapshot(p).architecture for p in run.snapshots.glob("*.safetensors")
    }
    assert [found[nimg].height for nimg in (40, 80, 120)] == [4, 8, 16]
    first = sheet_of(grids[0])
    np.testing.assert_array_equal(first[::4, ::4].repeat(4, 0).repeat(4, 1), first)
    assert export_onnx(load_snapshot(run.latest_snapshot()))


@pytest.mark.parametrize("stopped_after", [0.032, 0.04, 0.048, 0.08])
def test_a_run_that_grows_resumes_to_the_bit(tmp_path: Path, stopped_after: float) -> None:
    whole = train(config_of(), DATA, tmp_path / "whole", threads=1)
    train(config_of(kimg=stopped_after), DATA, tmp_path / "parts", threads=1)
    parts = train(config_of(), DATA, tmp_path / "parts", threads=1)
    one, other = (load_latest(run.checkpoints)["players"] for run in (whole, parts))
    for name in ("generator", "discriminator", "ema", "ema-1"):
        assert all(torch.equal(value, other[name][key]) for key, value in one[name].items())
    for name in ("generator_optimizer", "discriminator_optimizer"):
        for key, moments in one[name]["state"].items():
            assert torch.equal(moments["exp_avg_sq"], other[name]["state"][key]["exp_avg_sq"])
    assert one["strength"] == other["strength"]


def test_what_begins_with_a_model_has_grown_already() -> None:
    config = config_of(begun_from="toy@1")
    assert config.stages_left(0) == 0
    assert Batches(config, DATA).draw(0, slice(None))[0].images.shape[2] == 16


def test_networks_that_never_grew_are_written_as_before() -> None:
    a = Architecture(
        family="strided", latent_dim=4, widths=(8,), height=8, width=8, channels=1, num_classes=0
    )
    assert "skips" not in a.model_dump_json()
