from pathlib import Path

import pytest
import torch

from mirage.training.config import TrainConfig, build_config
from mirage.training.networks.base import Architecture
from mirage.training.networks.projected import Discriminator
from mirage.training.runs.checkpoint import load_latest, load_snapshot
from mirage.training.runs.loop import train
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import Batches, architecture_of
from tests.training.helpers.datasets import TINY, shapes_dataset
from tests.training.helpers.trunks import keep_random_weights

SETTINGS = {**TINY, "family": "projected", "loss": "hinge", "gamma": 0, "mismatch": 0}
DATA = shapes_dataset(side=16, channels=3)


@pytest.fixture(autouse=True)
def _random_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keep_random_weights(tmp_path / "cache" / "mirage")


def config_of(**changes: object) -> TrainConfig:
    return build_config("mnist", {**SETTINGS, "kimg": 0.032, **changes})


def discriminator(
    channels: int = 3, side: int = 16, num_classes: int = 0, width: int | None = None
) -> Discriminator:
    torch.manual_seed(0)
    sizes = {"latent_dim": 4, "widths": (8, 8), "height": side, "width": width or side}
    a = Architecture.model_validate(
        {"family": "projected", "channels": channels, "num_classes": num_classes, **sizes}
    )
    return Discriminator(a)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 16), (4, 32), (3, 64), (3, 80)])
def test_judges_an_image_seven_times_whatever_its_form(channels: int, side: int) -> None:
    images = torch.rand(2, channels, side, side) * 2 - 1
    logits = discriminator(channels, side, num_classes=3)(images, torch.tensor([0, 2]))
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(("height", "width"), [(16, 128), (128, 16), (8, 256), (4, 12), (48, 64)])
def test_judges_long_images(height: int, width: int) -> None:
    logits = discriminator(side=height, width=width)(torch.rand(2, 3, height, width) * 2 - 1)
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()


def test_the_judge_of_pixels_counts_three_times() -> None:
    logits = discriminator()(torch.rand(2, 3, 16, 16))
    assert torch.equal(logits[:, 4], logits[:, 5])
    assert torch.equal(logits[:, 4], logits[:, 6])


def test_sees_each_sample_alone() -> None:
    network = discriminator(num_classes=3).eval()
    images, labels = torch.rand(3, 3, 16, 16), torch.arange(3)
    alone = torch.cat([network(images[i : i + 1], labels[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(images, labels), alone)


def test_the_class_and_the_opacity_matter() -> None:
    network = discriminator(4, num_classes=2).eval()
    images, first = torch.rand(2, 4, 16, 16), torch.tensor([0, 0])
    assert not torch.equal(network(images, first), network(images, 1 - first))
    clear = images.clone()
    clear[:, 3] = -1
    changed = (network(images, first) != network(clear, first)).any(0)
    assert changed.tolist() == [False] * 4 + [True] * 3


def test_the_state_holds_no_weights_of_others() -> None:
    network = discriminator()
    assert not [name for name in network.state_dict() if name.startswith("trunk")]
    assert sum(value.numel() for value in network.state_dict().values()) < 1_500_000


def test_both_networks_learn_by_the_hinge_loss_without_a_penalty() -> None:
    config = config_of()
    state = TrainState(config, architecture_of(config, DATA.sheet()))
    networks = torch.nn.ModuleList([state.generator, state.discriminator])
    before = {name: value.clone() for name, value in networks.named_parameters()}
    step, batches = Step(config, state), Batches(config, DATA)
    for nimg in (0, 8):
        statistics = step(nimg, *batches.draw(nimg, slice(None)))
    still = {
        name for name, value in networks.named_parameters() if torch.equal(value, before[name])
    }
    # within the margin a bias of all logits is pulled both ways alike
    assert still <= {f"1.logit.{number}.bias" for number in range(5)}
    assert "r1" not in statistics


def test_a_run_resumes_to_the_bit_and_its_files_hold_no_weights_of_others(tmp_path: Path) -> None:
    whole = train(config_of(), DATA, tmp_path / "whole", threads=1)
    train(config_of(kimg=0.016), DATA, tmp_path / "parts", threads=1)
    parts = train(config_of(), DATA, tmp_path / "parts", threads=1)
    one, other = (load_latest(run.checkpoints)["players"] for run in (whole, parts))
    for network in ("generator", "discriminator", "ema"):
        assert all(torch.equal(value, other[network][key]) for key, value in one[network].items())
    assert not [name for name in one["discriminator"] if name.startswith("trunk")]
    assert load_snapshot(whole.latest_snapshot()).nimg == 32
