"""The one path: images are trained on, exported, published, served, and the pixels agree."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from mirage.training.config import build_config
from mirage.training.publish.export import publish
from mirage.training.publish.model_card import ModelCard
from mirage.training.runs.checkpoint import ServedGenerator, Snapshot, load_snapshot
from mirage.training.runs.loop import train
from tests.training.helpers.datasets import TINY, shapes_dataset

COUNT = 20


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, Path]:
    """A few steps of training, published and released."""
    folder = tmp_path_factory.mktemp("path")
    config = build_config("mnist", {**TINY, "kimg": 0.096, "snapshot_kimg": 1})
    run = train(config, shapes_dataset(), folder / "run", threads=1)
    snapshot = load_snapshot(run.latest_snapshot())
    sheet = run.read_config()[1]
    publish(snapshot, config, sheet, folder / "models" / "shapes", {}, ModelCard())
    release(folder / "models", "shapes", 1)
    return snapshot, folder / "models"


@pytest.mark.parametrize("names", [[0, 1], ["left", "right"]])
def test_the_service_makes_the_pixels_of_pytorch(
    trained: tuple[Snapshot, Path], names: list[int | str]
) -> None:
    snapshot, models = trained
    latents, _ = draw_latents(7, 0, COUNT, snapshot.architecture.latent_dim)
    labels = np.arange(COUNT) % 2
    with torch.inference_mode():
        generator = ServedGenerator(snapshot.generator)
        expected = generator(torch.from_numpy(latents), torch.from_numpy(labels)).numpy()
    body = {"seed": 7, "count": COUNT, "labels": [names[label] for label in labels]}
    with TestClient(create_app(Settings(models=models, threads=1))) as client:
        answer = client.post("/generate", json=body, headers={"accept": "application/x-npy"})
    assert answer.status_code == 200, answer.text
    served = np.load(io.BytesIO(answer.content), allow_pickle=False)
    assert served.shape == expected.shape == (COUNT, 8, 8, 1)
    assert np.abs(served.astype(int) - expected.astype(int)).max() <= 1
    assert expected.std() > 1  # not a flat picture that anything would agree with
