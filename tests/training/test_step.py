import copy

import pytest
import torch

from tests.training.data import TINY, shapes_dataset
from training.config import TrainConfig, build_config
from training.loop import data_sheet
from training.pixels import to_float
from training.run import architecture_of
from training.step import Batch, Players, Step, draw_wrong_labels


def make(preset: str = "mnist", **changes: object) -> tuple[TrainConfig, Players]:
    config = build_config(preset, {**TINY, **changes})
    return config, Players(config, architecture_of(config, data_sheet(shapes_dataset())))


def batches(config: TrainConfig) -> tuple[Batch, Batch]:
    """The same two batches for every run with this configuration."""
    data = shapes_dataset()
    generator = torch.Generator().manual_seed(5)
    images, labels = to_float(data.images[:8]), torch.from_numpy(data.labels[:8])

    def one() -> Batch:
        return Batch(images, torch.randn(8, config.latent_dim, generator=generator), labels)

    return one(), one()


@pytest.mark.parametrize("preset", ["mnist", "dcgan"])
def test_one_step_moves_both_networks_and_the_average(preset: str) -> None:
    config, players = make(preset)
    before = copy.deepcopy(players.state())
    statistics = Step(config, players)(0, *batches(config))
    for part in ("generator", "discriminator", "ema"):
        changed = [
            not torch.equal(value, before[part][name])
            for name, value in getattr(players, part).named_parameters()
        ]
        assert any(changed), part
    assert {"d_loss", "g_loss", "margin"} <= statistics.keys()
    assert all(value == value for value in statistics.values())  # no NaN


def test_the_penalties_are_measured_where_gamma_asks_for_them() -> None:
    config, players = make()
    assert {"r1", "r2"} <= Step(config, players)(0, *batches(config)).keys()
    config, players = make(gamma=0.0)
    assert "r1" not in Step(config, players)(0, *batches(config))


def test_a_step_is_a_function_of_state_and_batch() -> None:
    results = []
    for _ in range(2):
        config, players = make()
        Step(config, players)(0, *batches(config))
        results.append(torch.cat([p.flatten() for p in players.generator.parameters()]))
    assert torch.equal(*results)


def test_bfloat16_follows_float32_closely() -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        config, players = make(precision=precision)
        losses.append(Step(config, players)(0, *batches(config)))
    for name, value in losses[0].items():
        assert losses[1][name] == pytest.approx(value, rel=0.1, abs=0.05), name


def test_state_survives_loading() -> None:
    config, players = make()
    Step(config, players)(0, *batches(config))
    _, other = make(seed=1)
    other.load_state(copy.deepcopy(players.state()))
    first = Step(config, players)(8, *batches(config))
    assert Step(config, other)(8, *batches(config)) == first


def test_wrong_labels_are_all_the_others() -> None:
    torch.manual_seed(0)
    labels = torch.arange(4).repeat(200)
    wrong = draw_wrong_labels(labels, 4)
    assert not (wrong == labels).any()
    for label in range(4):
        drawn = wrong[labels == label]
        assert set(drawn.tolist()) == {0, 1, 2, 3} - {label}


def test_mismatch_teaches_the_discriminator_which_label_is_whose() -> None:
    def advantage(mismatch: float) -> float:
        """How much higher real images score under their own labels than under the other one."""
        torch.manual_seed(0)
        config, players = make(mismatch=mismatch)
        step = Step(config, players)
        for index in range(30):
            step(8 * index, *batches(config))
        batch, _ = batches(config)
        features = players.discriminator.features(batch.images)
        own = players.discriminator.judge(features, batch.labels)
        other = players.discriminator.judge(features, 1 - batch.labels)
        return float((own - other).mean())

    assert advantage(1.0) > 2 * advantage(0.0)


def test_the_latent_gain_is_the_averages_alone() -> None:
    config, players = make(latent_gain=1.5)
    latents, labels = torch.randn(3, config.latent_dim), torch.tensor([0, 1, 0])
    players.generator.eval()
    torch.testing.assert_close(
        players.ema.eval()(latents, labels), players.generator(1.5 * latents, labels)
    )
