import numpy as np
import torch

from mirage.training.config import TrainConfig, build_config
from mirage.training.tasks.randomness import (
    Sampler,
    StepRandomness,
    Stream,
    draw_augment,
    draw_background,
    draw_noise,
    draw_step_latents,
    draw_wrong_labels,
)


def config(**changes: object) -> TrainConfig:
    return build_config("mnist", {**changes})


def test_wrong_labels_are_all_the_others() -> None:
    torch.manual_seed(0)
    labels = torch.arange(4).repeat(200)
    wrong = draw_wrong_labels(labels, 4, len(labels))
    assert not (wrong == labels).any()
    for label in range(4):
        drawn = wrong[labels == label]
        assert set(drawn.tolist()) == {0, 1, 2, 3} - {label}


def test_draws_nothing_unless_configured() -> None:
    before = torch.random.get_rng_state()
    assert draw_augment(config(), 8) is None
    assert draw_noise((8, 1, 4, 4), 0.0) is None
    assert torch.equal(torch.random.get_rng_state(), before)


def test_both_members_of_a_pair_get_the_same_augmentation() -> None:
    torch.manual_seed(0)
    settings, images = config(augment="flip,colour"), torch.rand(3, 1, 4, 4)
    randomness = StepRandomness(
        augment=draw_augment(settings, 3), noise=draw_noise(images.shape, 0.5)
    )
    seen = randomness.see(torch.cat([images, images]), settings, probability=0.8, sigma=0.5)
    assert torch.equal(seen[:3], seen[3:])
    assert not torch.equal(seen[:3], images)


def test_both_members_of_a_pair_are_seen_over_one_colour_after_augmentation() -> None:
    torch.manual_seed(0)
    settings = config(
        transparency="on-white",
        background="random",
        augment=["cutout-white"],
        augment_probability=1,
    )
    clear = torch.ones(4, 4, 8, 8)
    clear[:, 3] = -1
    drawn = StepRandomness(
        augment=draw_augment(settings, 4), background=draw_background(settings, 4, 4)
    )
    seen = drawn.see(torch.cat([clear, clear]), settings, probability=1.0, sigma=0.0)
    assert torch.equal(seen[:4], seen[4:])
    assert torch.equal(seen[:, :3].amin((2, 3)), seen[:, :3].amax((2, 3)))  # no white hole
    assert len(seen[:, 0, 0, 0].unique()) == 4


def test_what_has_no_opacity_has_no_background() -> None:
    settings = config(transparency="on-white", background="random")
    assert draw_background(settings, 3, 4) is None
    assert draw_background(config(), 4, 4) is None


def test_noise_has_the_configured_deviation() -> None:
    torch.manual_seed(0)
    images = torch.zeros(200, 1, 8, 8)
    seen = StepRandomness(noise=draw_noise(images.shape, 0.3)).see(images, config(), 0.0, sigma=0.3)
    assert abs(seen.std() - 0.3) < 0.01


def test_a_process_gets_its_part_of_the_numbers() -> None:
    randomness = StepRandomness(augment=torch.arange(6.0).view(3, 2), wrong=torch.arange(3))
    part = randomness[1:]
    assert part.augment.tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert part.wrong.tolist() == [1, 2]
    assert part.noise is None


def test_shows_every_image_once_per_epoch() -> None:
    walk = Sampler(10, seed=1).indices(0, 30).reshape(3, 10)
    assert (np.sort(walk, axis=1) == np.arange(10)).all()
    assert not (walk[0] == walk[1]).all()


def test_indices_do_not_depend_on_the_batch_size() -> None:
    whole = Sampler(7, seed=3).indices(0, 50)
    cut = [Sampler(7, seed=3).indices(start, 5) for start in range(0, 50, 5)]
    assert whole.tolist() == np.concatenate(cut).tolist()


def test_seeds_give_different_orders() -> None:
    assert Sampler(100, 0).indices(0, 100).tolist() != Sampler(100, 1).indices(0, 100).tolist()


def test_latents_are_a_function_of_seed_stream_and_position() -> None:
    def draw(seed: int, stream: Stream, nimg: int) -> list[float]:
        return draw_step_latents(seed, stream, nimg, (2, 3)).ravel().tolist()

    first = draw(0, Stream.GENERATOR_LATENTS, 64)
    assert first == draw(0, Stream.GENERATOR_LATENTS, 64)
    others = [
        draw(1, Stream.GENERATOR_LATENTS, 64),
        draw(0, Stream.DISCRIMINATOR_LATENTS, 64),
        draw(0, Stream.GENERATOR_LATENTS, 128),
    ]
    assert all(first != other for other in others)
