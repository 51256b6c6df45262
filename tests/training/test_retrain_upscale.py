"""Retraining of networks that enlarge pictures, judged on the pictures that were held out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.layout import list_versions
from mirage.bundle.store.release import read_release, release
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import DataError
from mirage.training.retrain import Job, retrain
from mirage.training.runs.checkpoint import load_picture_network, load_weights, save_weights
from mirage.training.runs.initial_weights import name_of
from mirage.training.runs.run_dir import Run
from tests.bundles import Toy, publish_toy
from tests.training.drawings import drawings
from tests.training.helpers.upscalers import (
    picture_set,
    publish_run,
    trained_run,
    upscale_config,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    return picture_set(tmp_path_factory.mktemp("data") / "drawings")


def job_of(folder: Path, data: PictureSet, **settings: Any) -> Job:
    """A job of a few steps, which hardly change bicubic interpolation."""
    config = upscale_config(lr=1e-5, **settings)
    to, runs = folder / "models" / "toy", folder / "runs"
    return Job(to=to, config=config, data=data, runs=runs, threads=1)


def spoil(run: Run, gain: float) -> None:
    """Make the last snapshot's network add so much to bicubic interpolation everywhere."""
    path = run.latest_snapshot()
    architecture, generator, header = load_weights(path, "generator")
    _, discriminator, _ = load_weights(path, "discriminator")
    generator["tail.bias"] += gain
    facts = {"nimg": header["nimg"]}
    save_weights(path, architecture, facts, generator=generator, discriminator=discriminator)


def test_publishes_what_is_above_bicubic_with_its_scores(data: PictureSet, tmp_path: Path) -> None:
    job = replace(job_of(tmp_path, data), release=True)
    result = retrain(job)
    assert (result.outcome, result.version) == ("released", 1)
    manifest = load_bundle(job.to / "1").manifest
    assert manifest.scores == result.scores
    assert manifest.scores["psnr_y"].value >= manifest.scores["psnr_y_bicubic"].value
    assert [check.threshold for check in result.checks] == ["min_gain"]
    assert "held-out: 3 held-out pictures" in (job.to / "1" / "README.md").read_text()
    assert np.asarray(Image.open(job.to / "1" / "samples.png")).shape == (768, 1024, 3)
    assert retrain(job).repeated


def test_publishes_what_enlarges_grey_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "drawings"
    folder.mkdir()
    job = job_of(tmp_path, drawings(folder, channels=1))
    assert retrain(job).outcome == "published"
    assert np.asarray(Image.open(job.to / "1" / "samples.png")).shape == (768, 1024)


def test_scores_pictures_that_are_degraded_as_in_training(data: PictureSet, tmp_path: Path) -> None:
    job = job_of(tmp_path, data, degrade=("jpeg",))
    assert retrain(job).outcome == "published"
    text = (job.to / "1" / "README.md").read_text()
    assert "held-out: 3 held-out pictures, degraded by jpeg" in text
    assert "Low resolution in training: bicubic, jpeg." in text


def test_what_is_below_bicubic_is_refused(data: PictureSet, tmp_path: Path) -> None:
    job = job_of(tmp_path, data)
    run = trained_run(tmp_path / "run", data, lr=1e-5)
    spoil(run, 0.2)
    result = retrain(replace(job, run=run.path))
    assert (result.outcome, result.exit_code) == ("refused", 4)
    assert "--min-gain 0 asks for at least" in result.reasons[0]
    assert list_versions(job.to.parent, "toy") == []


def test_what_is_worse_than_the_released_version_is_refused(
    data: PictureSet, tmp_path: Path
) -> None:
    job = job_of(tmp_path, data)
    publish_run(trained_run(tmp_path / "good", data, kimg=0.4, lr=3e-3), job.to)
    release(job.to.parent, "toy", 1)
    result = retrain(job)
    assert result.released_version == 1
    assert result.released_scores["psnr_y"].value > result.scores["psnr_y"].value
    (reason,) = result.reasons
    assert "--max-psnr-drop 0 asks for at least" in reason
    current = read_release(job.to.parent, "toy")
    assert current
    assert current.version == 1


def test_the_same_network_is_not_worse_than_itself(data: PictureSet, tmp_path: Path) -> None:
    job = job_of(tmp_path, data)
    run = trained_run(tmp_path / "run", data, lr=1e-5)
    publish_run(run, job.to)
    release(job.to.parent, "toy", 1)
    result = retrain(replace(job, run=run.path))
    assert (result.outcome, result.version) == ("published", 1)
    assert result.released_scores == result.scores


@pytest.mark.parametrize("scale", [3, None])
def test_a_model_of_another_kind_is_refused_before_training(
    data: PictureSet, tmp_path: Path, scale: int | None
) -> None:
    job = job_of(tmp_path, data)
    if scale:
        publish_run(trained_run(tmp_path / "run", data, scale=scale, crop=8), job.to)
    else:
        publish_toy(job.to.parent, Toy(), "toy")
    release(job.to.parent, "toy", 1)
    with pytest.raises(DataError, match="3 channels and scale 2, and needs a name of its own"):
        retrain(job)
    assert not list(job.runs.glob("*/checkpoints"))


def test_fine_tuning_starts_with_exactly_the_images_of_the_bundle(
    data: PictureSet, tmp_path: Path
) -> None:
    run = trained_run(tmp_path / "run", data, kimg=0.1, lr=3e-3)
    bundle = publish_run(run, tmp_path / "models" / "toy")
    job = replace(job_of(tmp_path, data, seed=5, begun_from=name_of(bundle)), start=bundle)
    begun = Run(Path(retrain(job).run or ""))
    first, published = (
        load_picture_network(path)
        for path in (begun.snapshots / "000000000.safetensors", bundle / "weights.safetensors")
    )
    text = (job.to / "2" / "README.md").read_text()
    assert "Training began with the weights of `toy@1`; its licence and credits hold." in text
    for case in load_bundle(bundle).golden.cases:
        np.testing.assert_array_equal(first.convert(case.inputs["pictures"]), case.output)
    for key, value in published.network.state_dict().items():
        assert torch.equal(value, first.network.state_dict()[key])
