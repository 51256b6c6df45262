import torch

from mirage.training.config import TrainConfig, build_config
from mirage.training.networks.denoiser import LARGEST, Denoiser
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import Batch, Batches, architecture_of
from mirage.training.tasks.randomness import draw_grain
from tests.training.helpers.datasets import TINY, shapes_dataset


def config_of(**changes: object) -> TrainConfig:
    return build_config("mnist", {**TINY, "denoiser": 4, **changes})


def state_of(config: TrainConfig) -> TrainState:
    return TrainState(config, architecture_of(config, shapes_dataset().sheet()))


def batches_of(config: TrainConfig) -> tuple[Batch, Batch]:
    return Batches(config, shapes_dataset()).draw(0, slice(None))


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def trained(images: torch.Tensor) -> Denoiser:
    denoiser = Denoiser(1, 8)
    optimizer = torch.optim.Adam(denoiser.parameters(), 1e-2)
    for _ in range(200):
        loss = denoiser.loss(images, draw_grain(images.shape, LARGEST))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return denoiser


def test_it_begins_as_the_identity() -> None:
    images = torch.randn(2, 3, 8, 12)
    assert torch.equal(Denoiser(3, 4)(images), images)


def test_it_learns_to_remove_noise() -> None:
    torch.manual_seed(0)
    seen, others = (batch.images for batch in batches_of(config_of()))
    denoiser, grain = trained(seen), draw_grain(others.shape, LARGEST)
    with torch.no_grad():
        assert denoiser.loss(others, grain) < 0.75 * grain.abs().mean()


def test_images_have_noise_of_different_strength() -> None:
    torch.manual_seed(0)
    strengths = draw_grain((500, 1, 16, 16), LARGEST).std(dim=(1, 2, 3))
    assert strengths.max() < 1.3 * LARGEST
    torch.testing.assert_close(strengths.mean(), torch.tensor(LARGEST / 2), rtol=0.1, atol=0)


def test_only_real_images_change_its_weights() -> None:
    config = config_of()
    states = [state_of(config), state_of(config)]
    first, second = batches_of(config)
    other = Batch(second.images, -second.latents, second.labels)
    for state, batch in zip(states, (second, other), strict=True):
        torch.manual_seed(1)
        statistics = Step(config, state)(0, first, batch)
        assert 0 < statistics["denoising"] < LARGEST
    one, two = (weights(state.generator) for state in states)
    fresh = weights(state_of(config).generator)
    own = {name for name in one if name.startswith("denoiser.")}
    assert own
    assert all(torch.equal(one[name], two[name]) for name in own)
    assert any(not torch.equal(one[name], fresh[name]) for name in own)
    assert any(not torch.equal(one[name], two[name]) for name in one.keys() - own)


def test_the_adversarial_game_does_not_see_it() -> None:
    config = config_of()
    plain, denoised = state_of(config_of(denoiser=0)), state_of(config)
    denoised.generator.load_state_dict(weights(plain.generator), strict=False)
    denoised.discriminator.load_state_dict(plain.discriminator.state_dict())
    with torch.no_grad():
        denoised.generator.denoiser.last.weight.normal_()
    for state, own in ((plain, config_of(denoiser=0)), (denoised, config)):
        torch.manual_seed(1)
        Step(own, state)(0, *batches_of(own))
    for network in ("generator", "discriminator"):
        after = weights(getattr(denoised, network))
        for name, value in weights(getattr(plain, network)).items():
            torch.testing.assert_close(after[name], value)


def test_a_trained_generator_denoises_its_images() -> None:
    config = config_of()
    generator, (batch, _) = state_of(config).generator, batches_of(config)
    with torch.no_grad():
        generator.denoiser.last.weight.normal_()
        raw = generator.train()(batch.latents, batch.labels)
        made = generator.eval()(batch.latents, batch.labels)
        assert torch.equal(made, generator.denoiser(raw))
        assert not torch.equal(made, raw)
