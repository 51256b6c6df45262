import numpy as np

from mirage.training.sampler import Sampler, Stream, draw_step_latents


def test_shows_every_image_once_per_epoch() -> None:
    walk = Sampler(10, seed=1).indices(0, 30).reshape(3, 10)
    assert (np.sort(walk, axis=1) == np.arange(10)).all()
    assert not (walk[0] == walk[1]).all()


def test_the_walk_does_not_depend_on_how_it_is_cut() -> None:
    whole = Sampler(7, seed=3).indices(0, 50)
    cut = [Sampler(7, seed=3).indices(start, 5) for start in range(0, 50, 5)]
    assert whole.tolist() == np.concatenate(cut).tolist()


def test_seeds_walk_differently() -> None:
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
