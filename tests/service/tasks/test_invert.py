"""Inversion: latents and labels of pictures, from the images of a model alone."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

from mirage.bundle.format.interface import Image, generator_tensors
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import FORMAT_VERSION, FileEntry, Manifest
from mirage.service.errors import LimitExceeded
from mirage.service.tasks.invert import (
    Inversion,
    Start,
    Trial,
    batch_images,
    check_size,
    invert,
    likely_classes,
    to_planes,
)
from tests.bundles import Channels, Toy

ENTRY = FileEntry(sha256="0" * 64, size_bytes=1)


@dataclass
class Made:
    """What a search found, and the inputs that it asked for."""

    found: Inversion
    trials: list[Trial]

    @property
    def images(self) -> int:
        return sum(len(trial.latents) for trial in self.trials)


class Grey:
    """A model that makes the same image of all latents."""

    latent_dim = 3

    def images(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        return np.full((len(latents), 4, 4, 1), 100, np.uint8)


def run(toy: Toy | Grey, picture: np.ndarray, start: Start, iterations: int) -> Made:
    search: Generator[Trial, np.ndarray, Inversion] = invert(
        picture, toy.latent_dim, start, iterations
    )
    trials = [next(search)]
    while True:
        try:
            trials.append(search.send(toy.images(*trials[-1])))
        except StopIteration as end:
            return Made(end.value, trials)


def picture_of(toy: Toy, seed: int) -> tuple[np.ndarray, int | None]:
    latents, labels = draw_latents(seed, 3, 1, toy.latent_dim, len(toy.labels))
    label = None if labels is None else int(labels[0])
    return toy.images(latents, labels)[0], label


def manifest_of(toy: Toy) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        name="toy",
        version=1,
        created=datetime(2026, 1, 31, tzinfo=UTC),
        files={"model.onnx": ENTRY, "golden.npz": ENTRY},
        members=(),
        **dict(toy.description()),
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("labels", [("a", "b"), ()])
def test_images_of_the_model_are_found_again(labels: tuple[str, ...], channels: Channels) -> None:
    toy = Toy(labels=labels, channels=channels)
    for seed in range(4):
        picture, label = picture_of(toy, seed)
        made = run(toy, picture, Start(None, tuple(range(len(labels)))), 6)
        assert made.found.label == label
        assert made.found.error < 0.003


def test_the_image_is_that_of_the_latents_and_the_error_its_distance() -> None:
    toy = Toy()
    picture, _ = picture_of(toy, 9)
    found = run(toy, picture, Start(None, tuple(range(10))), 3).found
    np.testing.assert_array_equal(
        found.image, toy.images(found.latents[None], np.array([found.label]))[0]
    )
    difference = (found.image.astype(float) - picture) / 127.5
    assert found.error == pytest.approx(float(np.square(difference).mean()), rel=1e-5)


def test_equal_pictures_give_equal_bits() -> None:
    toy = Toy()
    picture, _ = picture_of(toy, 4)
    start = Start(None, tuple(range(10)))
    first, second = (run(toy, picture.copy(), start, 4).found for _ in range(2))
    np.testing.assert_array_equal(first.latents, second.latents)
    assert first.error == second.error


@pytest.mark.parametrize(
    "start",
    [Start(None, (0, 1)), Start(None, (1,)), Start(np.zeros(5, np.float32), (1,))],
)
def test_the_number_of_images_is_known_before(start: Start) -> None:
    toy = Toy(labels=("a", "b"))
    made = run(toy, picture_of(toy, 0)[0], start, 3)
    assert made.images == start.count(5) + 3 * batch_images(5)
    assert max(len(trial.latents) for trial in made.trials) <= batch_images(5)


def test_it_begins_with_the_latents_of_an_encoder() -> None:
    toy = Toy(labels=())
    latents, _ = draw_latents(7, 0, 1, 5)
    made = run(toy, toy.images(latents)[0], Start(latents[0], ()), 1)
    np.testing.assert_array_equal(made.trials[0].latents, latents)
    assert made.found.error < 1e-3


def test_it_never_ends_worse_than_it_began() -> None:
    toy = Toy(labels=())
    picture = np.random.default_rng(1).integers(0, 256, toy.shape).astype(np.uint8)
    errors = [run(toy, picture, Start(None, ()), number).found.error for number in (0, 1, 4)]
    assert errors[1] <= errors[0]
    assert errors[2] <= errors[1] + 1e-3  # the prior may trade some error for shorter latents


def test_latents_stay_close_to_the_normal_distribution_for_strange_pictures() -> None:
    toy = Toy(labels=())
    picture = np.full(toy.shape, 255, np.uint8)
    found = run(toy, picture, Start(None, ()), 8).found
    assert np.abs(found.latents).max() < 20


def test_a_model_that_does_not_depend_on_its_latents_gives_what_it_can() -> None:
    found = run(Grey(), np.full((4, 4, 1), 100, np.uint8), Start(None, ()), 2).found
    assert found.error == 0
    np.testing.assert_array_equal(found.latents, 0)


def test_latents_of_an_encoder_beyond_all_bounds_are_clipped() -> None:
    toy = Toy(labels=())
    start = Start(np.full(5, 1e30, np.float32), ())
    made = run(toy, picture_of(toy, 0)[0], start, 1)
    assert max(float(np.abs(trial.latents).max()) for trial in made.trials) <= 100


def test_colours_of_transparent_pixels_do_not_count() -> None:
    pictures = np.zeros((2, 1, 2, 4), np.uint8)
    pictures[0, 0, 0, :3] = 200  # transparent
    pictures[:, 0, 1] = (10, 20, 30, 255)
    planes = to_planes(pictures)
    np.testing.assert_array_equal(planes[0], planes[1])
    np.testing.assert_allclose(planes[0, :4], [1, 1, 1, -1])


def test_classes_are_those_given_or_estimated_or_all() -> None:
    manifest = manifest_of(Toy(labels=("a", "b", "c")))
    assert likely_classes(manifest, 1, None) == (1,)
    assert likely_classes(manifest, None, np.array([0, 1, 5], np.float32)) == (2,)
    assert likely_classes(manifest, None, None) == (0, 1, 2)
    assert likely_classes(manifest_of(Toy(labels=())), None, None) == ()


def test_many_classes_must_be_named() -> None:
    manifest = manifest_of(Toy(labels=tuple(str(number) for number in range(20))))
    with pytest.raises(LimitExceeded, match="toy has 20 classes, and at most 13 can be tried"):
        likely_classes(manifest, None, None)
    assert likely_classes(manifest, 17, None) == (17,)


def test_large_models_are_refused() -> None:
    manifest = manifest_of(Toy(labels=(), latent_dim=20, strengths=()))
    check_size(manifest)
    for latent_dim, side, named in (
        (1000, 128, "16515072 values with toy@1; at most 16000000 are allowed"),
        (1025, 8, "latent_dim of toy@1 is 1025; at most 1024 is allowed"),
    ):
        image = Image(height=side, width=side, channels=1)
        large = manifest.model_copy(update=generator_tensors(latent_dim, 0, image))
        with pytest.raises(LimitExceeded, match=named):
            check_size(large)
