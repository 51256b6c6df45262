import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mirage.training.config import TrainConfig, build_config
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import UsageError
from mirage.training.runs.batches import BatchLoader
from mirage.training.runs.checkpoint import load_latest, load_picture_network
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.registry import TASKS
from mirage.training.tasks.upscale import Batches, Samples
from tests.training.drawings import TINY_UPSCALE, drawings

FROM_START = {"adversarial_ratio": 0.5}


@pytest.fixture
def data(tmp_path: Path) -> PictureSet:
    folder = tmp_path / "drawings"
    folder.mkdir()
    return drawings(folder)


def config_of(**changes: object) -> TrainConfig:
    return build_config("photo-x4", {**TINY_UPSCALE, "kimg": 0.032, **changes})


def players_of(config: TrainConfig, data: PictureSet) -> TrainState:
    return TrainState(config, TASKS["upscale"].architecture(config, data.sheet()))


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in network.parameters()]).detach().clone()


def statistics(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in run.stats_file.read_text().splitlines()]


def assert_same(one: object, other: object) -> None:
    """Equal to the bit, all the way down."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def test_batches_depend_only_on_the_images_seen(data: PictureSet) -> None:
    config = config_of()
    whole, (one, other) = Batches(config, data), (Batches(config, data) for _ in range(2))
    (batch,) = whole.draw(8, slice(0, 4))
    parts = one.draw(8, slice(0, 2)) + other.draw(8, slice(2, 4))
    assert torch.equal(batch.low, torch.cat([part.low for part in parts]))
    assert torch.equal(batch.high, torch.cat([part.high for part in parts]))
    assert batch.low.shape == (4, 3, 12, 12)
    assert batch.high.shape == (4, 3, 24, 24)


def test_trains_on_content_first(data: PictureSet) -> None:
    config = config_of()
    state = players_of(config, data)
    classify = weights(state.discriminator)
    feed = BatchLoader(config, data, torch.device("cpu"))
    measured = Step(config, state)(0, *feed.batches(0))
    feed.close()
    assert measured.keys() == {"content", "g_gradient"}
    assert torch.equal(weights(state.discriminator), classify)


def test_adversarial_training_updates_both_networks(data: PictureSet) -> None:
    config = config_of(**FROM_START)
    state = players_of(config, data)
    before = weights(state.generator), weights(state.discriminator)
    feed = BatchLoader(config, data, torch.device("cpu"))
    measured = Step(config, state)(0, *feed.batches(0))
    feed.close()
    assert {"content", "g_loss", "d_loss", "margin", "r1", "r2"} <= measured.keys()
    assert not torch.equal(weights(state.generator), before[0])
    assert not torch.equal(weights(state.discriminator), before[1])


def test_the_game_may_begin_with_a_following_schedule(data: PictureSet) -> None:
    then = {"start": 0.0, "end": 0.5, "from_kimg": 0.02, "to_kimg": 0.03}
    config = config_of(adversarial_ratio={"start": 0.0, "end": 0.0, "then": then})
    rules = TASKS["upscale"].rules(config, players_of(config, data))
    (batch,) = Batches(config, data).draw(0, slice(0, 4))
    kinds = {nimg: [move.kind for move in rules.moves(nimg, batch)] for nimg in (0, 16, 20, 40)}
    assert kinds == {0: ["g"], 16: ["g"], 20: ["d", "g"], 40: ["d", "g"]}


def test_the_ratio_is_of_the_gradients_at_the_picture(data: PictureSet) -> None:
    """Of two ratios the gradients differ by the share of the game alone."""
    gradients = {}
    for ratio in (0.0, 1.0, 2.0):
        config = config_of(adversarial_ratio={"start": ratio, "end": 2.0, "to_kimg": 1000})
        state = players_of(config, data)
        torch.nn.init.normal_(state.generator.tail.weight, std=0.02)
        rules = TASKS["upscale"].rules(config, state)
        (batch,) = Batches(config, data).draw(0, slice(0, 4))
        pull, _ = list(rules.moves(0, batch))[1].objective(slice(0, 4))
        pull.backward()
        gradients[ratio] = torch.cat([p.grad.flatten() for p in state.generator.parameters()])
    game = gradients[1.0] - gradients[0.0]
    assert torch.allclose(gradients[2.0] - gradients[0.0], 2 * game, rtol=1e-3, atol=1e-6)
    assert 0.01 < game.norm() / gradients[0.0].norm() < 100


def test_a_run_becomes_better_than_bicubic(data: PictureSet, tmp_path: Path) -> None:
    config = config_of(kimg=1.2, status_kimg=0.4, snapshot_kimg=1.2, checkpoint_kimg=1.2)
    lines = statistics(train(config, data, tmp_path / "run", threads=1))
    assert lines[-1]["gain"] > lines[0]["gain"]
    assert lines[-1]["gain"] > 0.1


@pytest.mark.parametrize(
    ("precision", "degrade"), [("float32", ()), ("bfloat16", ()), ("float32", ("noise", "jpeg"))]
)
def test_a_resumed_run_is_bit_identical(
    data: PictureSet, tmp_path: Path, precision: str, degrade: tuple[str, ...]
) -> None:
    """Through both stages: the game begins between the two halves."""
    game = {"adversarial_ratio": {"start": 0.0, "end": 0.5, "from_kimg": 0.02, "to_kimg": 0.03}}
    config = config_of(precision=precision, degrade=degrade, **game)
    half = config.model_copy(update={"kimg": 0.016})
    whole = train(config, data, tmp_path / "whole", threads=1)
    train(half, data, tmp_path / "parts", threads=1)
    parts = train(config, data, tmp_path / "parts", threads=1)
    one, other = (load_latest(run.checkpoints) for run in (whole, parts))
    assert one is not None
    assert other is not None
    assert_same(one["players"], other["players"])
    for a, b in zip(statistics(whole), statistics(parts), strict=True):
        assert {**a, "kimg_per_s": 0} == {**b, "kimg_per_s": 0}


def test_the_grid_shows_low_bicubic_ours_and_high(data: PictureSet, tmp_path: Path) -> None:
    config = config_of(kimg=0.016)
    run = train(config, data, tmp_path / "run", threads=1)
    assert run.film_file.exists()
    sheet = np.asarray(Image.open(sorted(run.samples.iterdir())[0]))
    samples = Samples(config, data)
    side = sheet.shape[1] // samples.columns
    low, bicubic, ours, high = (sheet[:side, k * side : (k + 1) * side] for k in range(4))
    assert np.array_equal(low[::2, ::2], low[1::2, 1::2])
    assert np.abs(ours[4:-4, 4:-4].astype(int) - bicubic[4:-4, 4:-4]).mean() < 1  # at step 0
    assert not np.array_equal(high, bicubic)


def test_the_grid_degrades_the_low_resolution_as_training_does(data: PictureSet) -> None:
    plain, degraded = (low_and_high(config_of(degrade=names), data) for names in ((), ("jpeg",)))
    assert 0 < np.abs(plain[0].astype(int) - degraded[0]).mean() < 20
    assert np.array_equal(plain[1], degraded[1])


def test_the_grid_shows_a_picture_beside_its_own_low_resolution(data: PictureSet) -> None:
    own = [replace(p, low=255 - p.pixels[::2, ::2]) for p in data.held_out]
    low, high = low_and_high(config_of(), replace(data, held_out=own))
    assert np.array_equal(255 - low, high)


def low_and_high(config: TrainConfig, data: PictureSet) -> tuple[np.ndarray, np.ndarray]:
    """The crops of the sample grid, every other pixel."""
    images = Samples(config, data).draw(players_of(config, data).generator)[:, ::2, ::2]
    return images[0::4], images[3::4]


def test_a_snapshot_enlarges_pictures_of_any_size(data: PictureSet, tmp_path: Path) -> None:
    run = train(config_of(kimg=0.016), data, tmp_path / "run", threads=1)
    snapshot = load_picture_network(run.latest_snapshot())
    made = snapshot.convert(np.zeros((2, 5, 9, 3), np.uint8))
    assert made.shape == (2, 10, 18, 3)


def test_a_run_can_start_with_the_weights_of_another(data: PictureSet, tmp_path: Path) -> None:
    first = train(config_of(), data, tmp_path / "first", threads=1)
    config = config_of(kimg=0.004, discriminator_widths=[4])
    second = train(config, data, tmp_path / "second", threads=1, start=first.path)
    begun = load_picture_network(second.snapshot_path(0))
    learnt = load_picture_network(first.latest_snapshot())
    assert torch.equal(weights(begun.network), weights(learnt.network))


def test_rejects_initial_weights_of_other_sizes(data: PictureSet, tmp_path: Path) -> None:
    first = train(config_of(), data, tmp_path / "first", threads=1)
    with pytest.raises(UsageError, match="width is 8 there and 16 here"):
        train(config_of(widths=[16]), data, tmp_path / "second", threads=1, start=first.path)


def test_rejects_resuming_with_other_pictures(data: PictureSet, tmp_path: Path) -> None:
    train(config_of(kimg=0.008), data, tmp_path / "run", threads=1)
    other = drawings(tmp_path / "drawings", shrink=[2])
    with pytest.raises(UsageError, match="other data"):
        train(config_of(kimg=0.008), other, tmp_path / "run", threads=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"family": "strided"}, "family is 'strided'.*allowed are compact"),
        ({"scale": 5}, "scale is 5"),
        ({"content": "vgg"}, "content is 'vgg'.*charbonnier, l1, l2"),
        ({"degrade": "jpeg,rain"}, "rain is unknown; allowed are blur, noise, jpeg"),
        ({"blocks": [1, 2]}, "widths and blocks hold one number each"),
    ],
)
def test_names_an_invalid_setting(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        config_of(**changes)
