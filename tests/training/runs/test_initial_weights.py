import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.bundle.errors import BundleError
from mirage.training.config import build_config
from mirage.training.data.dataset import Dataset
from mirage.training.errors import UsageError
from mirage.training.publish.export import publish, republish
from mirage.training.publish.model_card import ModelCard
from mirage.training.runs.checkpoint import load_snapshot
from mirage.training.runs.loop import train
from mirage.training.runs.run_dir import Run
from mirage.training.tasks.randomness import Stream, random_stream
from mirage.training.tasks.samples import GRID, generate
from tests.training.helpers.datasets import TINY, shapes_dataset


def short(**changes: object) -> dict[str, object]:
    return {**TINY, "kimg": 0.008, **changes}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has seen a hundred images."""
    folder, data = tmp_path_factory.mktemp("published"), shapes_dataset()
    config = build_config("mnist", short(kimg=0.1))
    run = train(config, data, folder / "run", threads=1)
    snapshot = load_snapshot(run.latest_snapshot())
    return publish(snapshot, config, data.sheet(), folder / "models" / "toy", {}, ModelCard())


def begun(bundle: Path, folder: Path, data: Dataset, **changes: object) -> Run:
    config = build_config("mnist", short(**changes))
    return train(config, data, folder / "run", threads=1, start=bundle)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_fine_tuning_starts_with_exactly_the_images_of_the_bundle(
    bundle: Path, tmp_path: Path, half: bool
) -> None:
    if half:
        bundle = republish(bundle, tmp_path / "models" / "half", half=True)
    run = begun(bundle, tmp_path, shapes_dataset(), seed=5)
    latents = random_stream(5, Stream.SAMPLES, 0).standard_normal((GRID**2, 8), dtype=np.float32)
    published = load_snapshot(bundle / "weights.safetensors")
    images = generate(published.generator, latents, np.arange(GRID**2) % 2)
    sheet = images[..., 0].reshape(GRID, GRID, 8, 8).swapaxes(1, 2).reshape(80, 80)
    with Image.open(run.samples / "000000000.png") as grid:
        assert np.array_equal(np.asarray(grid), sheet)


def test_a_resumed_run_does_not_reload_initial_weights(bundle: Path, tmp_path: Path) -> None:
    begun(bundle, tmp_path, shapes_dataset())
    whole = begun(bundle, tmp_path / "whole", shapes_dataset(), kimg=0.016)
    resumed = begun(bundle, tmp_path, shapes_dataset(), kimg=0.016)
    contents = [run.latest_snapshot().read_bytes() for run in (resumed, whole)]
    assert contents[0] == contents[1]


def test_other_architectures_raise_usage_error(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="latent_dim is 8 there and 9 here"):
        begun(bundle, tmp_path, shapes_dataset(), latent_dim=9)


def test_other_classes_are_reinitialised_and_logged(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = shapes_dataset()
    three = replace(data, labels=np.arange(len(data)) % 3, classes=("a", "b", "c"))
    with caplog.at_level(logging.WARNING):
        begun(bundle, tmp_path, three)
    assert "is reinitialised: its classes" in caplog.text


def test_rejects_an_invalid_bundle(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "toy" / "1"
    copy.mkdir(parents=True)
    for file in bundle.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    weights = copy / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"weights\.safetensors"):
        begun(copy, tmp_path, shapes_dataset())
