import copy

import pytest
import torch

from mirage.training.config import TrainConfig, build_config
from mirage.training.media.pixels import to_float
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import Batch, architecture_of
from tests.training.helpers.datasets import TINY, shapes_dataset


def make(preset: str = "mnist", **changes: object) -> tuple[TrainConfig, TrainState]:
    config = build_config(preset, {**TINY, **changes})
    return config, TrainState(config, architecture_of(config, shapes_dataset().sheet()))


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
    config, state = make(preset)
    before = copy.deepcopy(state.state_dict())
    statistics = Step(config, state)(0, *batches(config))
    for part in ("generator", "discriminator", "ema"):
        changed = [
            not torch.equal(value, before[part][name])
            for name, value in getattr(state, part).named_parameters()
        ]
        assert any(changed), part
    assert {"d_loss", "g_loss", "margin"} <= statistics.keys()
    assert all(value == value for value in statistics.values())  # no NaN


def test_penalties_are_computed_only_with_gamma() -> None:
    config, state = make()
    assert {"r1", "r2"} <= Step(config, state)(0, *batches(config)).keys()
    config, state = make(gamma=0.0)
    assert "r1" not in Step(config, state)(0, *batches(config))


def test_a_step_is_a_function_of_state_and_batch() -> None:
    results = []
    for _ in range(2):
        config, state = make()
        Step(config, state)(0, *batches(config))
        results.append(torch.cat([p.flatten() for p in state.generator.parameters()]))
    assert torch.equal(*results)


@pytest.mark.parametrize("normalize", ["none", "rms"])
def test_bfloat16_follows_float32_closely(normalize: str) -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        config, state = make(precision=precision, normalize=normalize)
        losses.append(Step(config, state)(0, *batches(config)))
    for name, value in losses[0].items():
        assert losses[1][name] == pytest.approx(value, rel=0.1, abs=0.05), name


def test_the_discriminator_sees_softly_clamped_images() -> None:
    config, state = make(clamp_slope=0.0)
    with torch.no_grad():
        state.generator.to_image.bias.fill_(30.0)  # far beyond the range
    statistics = Step(config, state)(0, *batches(config))
    assert statistics["g_gradient"] == 0
    config, state = make(clamp_slope=0.02)
    assert Step(config, state)(0, *batches(config))["g_gradient"] > 0


def test_state_survives_loading() -> None:
    config, state = make()
    Step(config, state)(0, *batches(config))
    _, other = make(seed=1)
    other.load_state_dict(copy.deepcopy(state.state_dict()))
    first = Step(config, state)(8, *batches(config))
    assert Step(config, other)(8, *batches(config)) == first


def test_mismatch_trains_the_discriminator_on_wrong_labels() -> None:
    def advantage(mismatch: float) -> float:
        """How much higher real images score under their own labels than under the other one."""
        torch.manual_seed(0)
        config, state = make(mismatch=mismatch)
        step = Step(config, state)
        for index in range(30):
            step(8 * index, *batches(config))
        batch, _ = batches(config)
        features = state.discriminator.features(batch.images)
        own = state.discriminator.logits(features, batch.labels)
        other = state.discriminator.logits(features, 1 - batch.labels)
        return float((own - other).mean())

    assert advantage(1.0) > 2 * advantage(0.0)


def test_only_averages_have_a_latent_gain() -> None:
    config, state = make(latent_gain=1.5)
    latents, labels = torch.randn(3, config.latent_dim), torch.tensor([0, 1, 0])
    state.generator.eval()
    torch.testing.assert_close(
        state.ema.eval()(latents, labels), state.generator(1.5 * latents, labels)
    )


def weights(state: TrainState) -> torch.Tensor:
    parameters = [*state.generator.parameters(), *state.discriminator.parameters()]
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def played(steps: int = 3, **changes: object) -> tuple[TrainState, dict[str, float]]:
    """The networks after some steps with the same batches and the same chance."""
    config, state = make(**changes)
    step = Step(config, state)
    for index in range(steps):
        torch.manual_seed(index)
        statistics = step(config.batch_size * index, *batches(config))
    return state, statistics


ALL_OF_IT = {
    "augment": "flip,translate,cutout,colour",
    "augment_probability": 0.5,
    "noise": 0.1,
    "mismatch": 0.2,
}


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_a_batch_in_parts_gives_the_same_update(loss: str) -> None:
    # Adam would make whole steps of the smallest differences
    plain = {"generator_optimizer": "sgd", "discriminator_optimizer": "sgd", "lr": 0.01}
    whole, seen = played(loss=loss, **plain, **ALL_OF_IT)
    parts, seen_in_parts = played(loss=loss, micro_batch_size=3, **plain, **ALL_OF_IT)
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)
    assert seen_in_parts == pytest.approx(seen, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"augment": "flip,translate,cutout,colour", "augment_probability": 0.5},
        {"noise": 0.1},
        {"mismatch": 0.7},
        {"loss": "wasserstein"},
        {"loss": "hinge", "generator_optimizer": "rmsprop", "discriminator_optimizer": "sgd"},
        {"loss": "least-squares", "generator_optimizer": "adamw"},
        {"loss": "saturating"},
    ],
    ids=str,
)
def test_every_part_of_the_recipe_affects_both_networks(
    changes: dict[str, object],
) -> None:
    plain, _ = played()
    moved, statistics = played(**changes)
    assert torch.isfinite(weights(moved)).all()
    assert not torch.equal(weights(moved), weights(plain))
    assert all(value == value for value in statistics.values())


def test_unused_randomness_is_not_drawn() -> None:
    """A setting that is off leaves the bits of a run as they were before it existed."""
    plain, _ = played(mismatch=0.0)
    off, _ = played(augment="flip", augment_probability=0.0, noise=0.0, mismatch=0.0)
    assert torch.equal(weights(off), weights(plain))


def test_the_probability_of_augmentation_adapts_and_is_saved() -> None:
    adaptive = {"augment": "flip,colour", "augment_target": 1.0, "augment_speed_kimg": 0.1}
    adaptive["augment_probability"] = 0.5
    state, _ = played(**adaptive)
    assert state.augment_probability.at(0) == pytest.approx(
        0.5 - 3 * 8 / 100
    )  # none is surer than 1
    _, other = make(**adaptive)
    other.load_state_dict(copy.deepcopy(state.state_dict()))
    assert other.augment_probability.at(0) == state.augment_probability.at(0)


def test_further_averages_have_their_own_half_life_and_are_saved() -> None:
    state, _ = played(further_half_lives_kimg=[0.001, 1000.0])
    networks = state.networks()
    assert set(networks) == {"generator", "discriminator", "generator-0.001", "generator-1000"}
    _, other = make(further_half_lives_kimg=[0.001, 1000.0])
    other.load_state_dict(copy.deepcopy(state.state_dict()))
    for name, state in other.networks().items():
        for key, value in state.items():
            assert torch.equal(value, networks[name][key])
