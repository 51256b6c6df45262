import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mirage.training.config import build_config
from mirage.training.data.load import load_dataset
from mirage.training.data.preview import describe, sample_sheet
from mirage.training.errors import UsageError
from mirage.training.optim.losses import gradient_penalty
from mirage.training.runs.checkpoint import load_snapshot
from mirage.training.runs.loop import train
from mirage.training.runs.state import TrainState
from mirage.training.runs.step import Step
from mirage.training.tasks.generate import Batches, architecture_of
from tests.training.helpers.sequences import TINY, write_sounds, write_words


def data_of(kind: str, folder: Path) -> Any:
    path = write_words(folder / "words.txt") if kind == "words" else write_sounds(folder / "data")
    return load_dataset(path, cache=folder / "cache")


@pytest.mark.parametrize("kind", ["words", "sound"])
def test_a_run_writes_samples_as_pictures_and_resumes_to_the_same_weights(
    tmp_path: Path, kind: str
) -> None:
    data = data_of(kind, tmp_path)
    short, config = (build_config(kind, {**TINY, "kimg": kimg}) for kimg in (0.016, 0.032))
    whole = train(config, data, tmp_path / "whole", threads=1)
    train(short, data, tmp_path / "halves", threads=1)
    halves = train(config, data, tmp_path / "halves", threads=1)
    first, second = (load_snapshot(run.latest_snapshot()) for run in (whole, halves))
    states = first.generator.state_dict(), second.generator.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    with Image.open(whole.grid_path(32)) as grid:
        height, width = data.medium.picture_size
        columns = data.medium.columns
        assert grid.size == (columns * width, -(-100 // columns) * height)
    assert {"spread", "entropy"} & whole.read_stats()[-1].keys()
    assert json.loads(whole.config_file.read_text())["data"]["medium"] == data.medium.model_dump()


@pytest.mark.parametrize("kind", ["words", "sound"])
def test_a_preview_shows_and_describes_the_data(tmp_path: Path, kind: str) -> None:
    data = data_of(kind, tmp_path)
    height, width = data.medium.picture_size
    sheet = sample_sheet(data, 4)
    assert sheet.shape == (2 * height, 2 * width, 1)
    assert sheet.any()
    lines = describe(data)
    assert lines[0] == f"{data.medium.noun:<15}24 of {data.medium.form}"
    examples = [line for line in lines if line.startswith("example")]
    assert len(examples) == (5 if kind == "words" else 0)


def test_networks_of_images_reject_sequences(tmp_path: Path) -> None:
    data = data_of("words", tmp_path)
    with pytest.raises(UsageError, match="does not make sequences; allowed are words, dna"):
        architecture_of(build_config("mnist", {}), data.sheet())


def test_networks_of_sequences_reject_images() -> None:
    sheet = {"shape": [8, 8, 1], "classes": []}
    with pytest.raises(UsageError, match="family sequence does not make images"):
        architecture_of(build_config("words", {}), sheet)


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("words", {"augment": "flip"}, "augment is .*; family sequence allows only"),
        ("sound", {"warm_start_kimg": 1}, "warm_start_kimg is 1.0; family harmonic allows only 0"),
        ("mnist", {"phase_shuffle": 2}, "phase_shuffle is 2; family strided allows only 0"),
    ],
)
def test_rejects_settings_that_a_family_cannot_use(
    preset: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build_config(preset, changes)


def test_noise_and_the_slope_penalty_fit_sequences(tmp_path: Path) -> None:
    changes = {**TINY, "kimg": 0.008, "loss": "wasserstein", "noise": 0.1}
    run = train(build_config("words", changes), data_of("words", tmp_path), tmp_path / "run")
    assert np.isfinite(run.read_stats()[-1]["slope"])


def test_penalties_are_taken_of_spectrograms(tmp_path: Path) -> None:
    data = data_of("sound", tmp_path)
    config = build_config("sound", TINY)
    state = TrainState(config, architecture_of(config, data.sheet()))
    discriminator = copy.deepcopy(state.discriminator)
    batch, other = Batches(config, data).draw(0, slice(None))
    real = discriminator.represent(batch.images).requires_grad_()
    logits = discriminator.logits(discriminator.features(real), batch.labels)
    expected = gradient_penalty(real, logits).mean().item()
    assert Step(config, state)(0, batch, other)["r1"] == pytest.approx(expected, rel=1e-4)
