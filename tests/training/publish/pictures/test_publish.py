"""A run of task `upscale` as a bundle: complete, verified, and shown only with its own pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mirage.bundle.format.golden import PICTURE_SIZES
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.layout import list_versions
from mirage.training.data.sources.pictures import PictureSet
from mirage.training.errors import DataError
from mirage.training.evaluation.picture_graph import open_picture_graph
from mirage.training.evaluation.restoration import (
    RestorationCard,
    restoration_file,
    score_restoration,
    write_card,
)
from mirage.training.publish.model_card import ModelCard
from mirage.training.publish.pictures.export import export_picture_network
from mirage.training.publish.pictures.publish import republish_pictures
from mirage.training.publish.scored_model import open_scored_model
from mirage.training.runs.checkpoint import load_picture_network
from mirage.training.runs.run_dir import Run
from tests.training.drawings import drawing
from tests.training.helpers.upscalers import picture_set, publish_run, trained_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    return picture_set(tmp_path_factory.mktemp("data") / "drawings")


@pytest.fixture
def run(data: PictureSet, tmp_path: Path) -> Run:
    return trained_run(tmp_path / "run", data)


def score(run: Run, data: PictureSet, name: str, **changes: object) -> RestorationCard:
    """Scores and a sheet of one colour beside the last snapshot, as `evaluate` leaves them."""
    snapshot = load_picture_network(run.latest_snapshot())
    card = score_restoration(
        lambda low: snapshot.convert(low[None])[0], data.held_out, 2, data.fingerprint
    ).model_copy(update=changes)
    file = restoration_file(snapshot.path, name)
    write_card(file, card)
    sheet = np.full((9, 9, 3), len(name), np.uint8)
    Image.fromarray(sheet).save(file.with_suffix(".png"))
    return card


def test_the_bundle_says_how_its_pictures_are_cut(run: Run, tmp_path: Path) -> None:
    manifest = load_bundle(publish_run(run, tmp_path / "models" / "toy")).manifest
    form = manifest.pictures
    assert form
    assert (manifest.task, form.scale, form.multiple, form.halo) == ("upscale", 2, 1, 4)
    assert (form.border, form.degradation) == ("replicate", "bicubic")
    assert [str(each) for each in manifest.tensors] == [
        "pictures uint8 [N, H, W, 3]",
        "images uint8 [N, 2*H, 2*W, 3]",
    ]
    assert set(manifest.files) == {
        *("README.md", "golden.npz", "model.onnx", "samples.png", "weights.safetensors")
    }


def test_golden_pictures_of_odd_sizes_are_what_pytorch_made(run: Run, tmp_path: Path) -> None:
    bundle = load_bundle(publish_run(run, tmp_path / "models" / "toy"))
    snapshot, upscale = (
        load_picture_network(run.latest_snapshot()),
        open_picture_graph(bundle.model, 1),
    )
    sizes = []
    for case in bundle.golden.cases:
        picture = case.inputs["pictures"]
        sizes.append(picture.shape[1:3])
        np.testing.assert_array_equal(snapshot.convert(picture), case.output)
        assert np.abs(upscale(picture).astype(int) - case.output).max() <= 1
    assert tuple(sizes) == PICTURE_SIZES


def test_the_weights_go_with_it(run: Run, tmp_path: Path) -> None:
    path = publish_run(run, tmp_path / "models" / "toy")
    ours, theirs = (
        load_picture_network(run.latest_snapshot()),
        load_picture_network(path / "weights.safetensors"),
    )
    picture = drawing(3, 20)[None]
    np.testing.assert_array_equal(ours.convert(picture), theirs.convert(picture))
    assert theirs.nimg == 16


def test_what_is_published_already_is_not_published_again(run: Run, tmp_path: Path) -> None:
    to = tmp_path / "models" / "toy"
    assert publish_run(run, to) == publish_run(run, to)
    assert list_versions(to.parent, "toy") == [1]


def test_without_scores_the_samples_are_the_runs_grid(run: Run, tmp_path: Path) -> None:
    path = publish_run(run, tmp_path / "models" / "toy")
    shown, drawn = (np.asarray(Image.open(p)) for p in (path / "samples.png", run.grid_path(16)))
    np.testing.assert_array_equal(shown, drawn)
    assert "Not scored." in (path / "README.md").read_text()


def test_scores_of_pictures_degraded_as_in_training_come_first(
    data: PictureSet, tmp_path: Path
) -> None:
    run = trained_run(tmp_path / "run", data, degrade=("jpeg",))
    score(run, data, "all")
    card = score(run, replace(data, held_out=data.held_out[:2]), "all-jpeg", degrade=("jpeg",))
    path = publish_run(run, tmp_path / "models" / "toy")
    assert load_bundle(path).manifest.scores["psnr_y"].value == card.scores["model"]["psnr_y"]
    text = (path / "README.md").read_text()
    assert "### all-jpeg: 2 held-out pictures, degraded by jpeg" in text
    assert "### all: 3 held-out pictures\n" in text


def test_the_manifest_has_the_scores_of_the_largest_set_that_was_held_out(
    run: Run, data: PictureSet, tmp_path: Path
) -> None:
    card = score(run, data, "all")
    score(run, replace(data, held_out=data.held_out[:1]), "a-part")
    score(run, data, "others", pictures=100, data_fingerprint="other")
    path = publish_run(run, tmp_path / "models" / "toy")
    scores = load_bundle(path).manifest.scores
    assert scores["psnr_y"].value == card.scores["model"]["psnr_y"]
    assert scores["psnr_y_bicubic"].value == card.scores["bicubic"]["psnr_y"]
    assert scores["least_gain"].value == card.worst_gain
    assert {each.n for each in scores.values()} == {3}


def test_all_scores_stand_in_the_card_and_other_pictures_are_never_shown(
    run: Run, data: PictureSet, tmp_path: Path
) -> None:
    card = score(run, data, "all")
    score(run, data, "others", pictures=100, data_fingerprint="other")
    path = publish_run(run, tmp_path / "models" / "toy")
    text = (path / "README.md").read_text()
    assert "### all: 3 held-out pictures" in text
    assert "### others: 100 other pictures" in text
    assert "| score | this model | bicubic | lanczos | sharpened |" in text
    assert f"`{card.worst}`, {card.worst_gain:+.2f} dB" in text
    assert np.asarray(Image.open(path / "samples.png")).max() == len("all")


def test_the_card_names_licences_and_authors(run: Run, tmp_path: Path) -> None:
    card = ModelCard("drawings", "CC0-1.0", "cc-by-sa-4.0", "| a.png | Ann Ode | CC0-1.0 |\n")
    text = (publish_run(run, tmp_path / "models" / "toy", card) / "README.md").read_text()
    assert "license: cc-by-sa-4.0\n" in text
    assert "Data: drawings. Licence of the data: CC0-1.0." in text
    assert "## Credits\n\n| a.png | Ann Ode | CC0-1.0 |\n" in text
    assert "pipeline_tag: image-to-image" in text


def test_a_bundle_is_published_again_with_its_card_and_samples(
    run: Run, data: PictureSet, tmp_path: Path
) -> None:
    score(run, data, "all")
    first = publish_run(run, tmp_path / "models" / "toy")
    again = republish_pictures(first, tmp_path / "models" / "other")
    before, after = load_bundle(first), load_bundle(again)
    assert after.model == before.model
    assert after.manifest.description == before.manifest.description
    title = (first / "README.md").read_text().replace("toy@1", "other@1")
    assert (again / "README.md").read_text() == title
    assert (again / "samples.png").read_bytes() == (first / "samples.png").read_bytes()


def test_a_bundle_is_published_again_in_half_precision(run: Run, tmp_path: Path) -> None:
    first = publish_run(run, tmp_path / "models" / "toy")
    half = republish_pictures(first, tmp_path / "models" / "half", half=True)
    exact, rounded = (load_picture_network(each / "weights.safetensors") for each in (first, half))
    for before, after in zip(exact.network.parameters(), rounded.network.parameters(), strict=True):
        assert torch.equal(after, before.half().float())
    assert load_bundle(half).model == export_picture_network(rounded)


def test_a_bundle_of_pictures_is_no_candidate_among_generators(run: Run, tmp_path: Path) -> None:
    path = publish_run(run, tmp_path / "models" / "toy")
    with pytest.raises(DataError, match="is of task upscale; only generators are compared so"):
        open_scored_model(path)
