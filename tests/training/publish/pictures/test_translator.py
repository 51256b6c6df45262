"""A translator becomes a bundle: with scores, and with tiles that do not show."""

from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.format.verify import load_bundle
from mirage.training.__main__ import main
from mirage.training.evaluation.picture_graph import open_picture_graph
from mirage.training.publish.pictures.export import run_in_tiles
from tests.training.helpers.translators import trained_translator


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run, evaluated and exported by the command line."""
    folder = tmp_path_factory.mktemp("translator")
    run, data = str(trained_translator(folder).path), folder / "data"
    styles = ["--source", str(data / "source"), "--target", str(data / "target")]
    assert main(["evaluate", run, *styles, "--threads", "1"]) == 0
    assert main(["export", run, "--to", str(folder / "models" / "style")]) == 0
    return folder / "models" / "style" / "1"


def test_the_manifest_tells_how_it_is_cut_and_how_good_it_is(published: Path) -> None:
    manifest = load_bundle(published).manifest
    assert manifest.task == "translate"
    assert manifest.pictures is not None
    assert (manifest.pictures.scale, manifest.pictures.multiple) == (1, 4)
    assert manifest.pictures.halo == 24
    scores = manifest.scores
    assert {"patch_distance", "source_found", "twin_l1", "twin_gmsd", "twin_found"} <= scores.keys()
    assert scores["twin_l1_source"].value > 0
    assert scores["patch_distance"].floor is not None


def test_tiles_at_multiples_of_four_give_the_bytes_of_the_whole(published: Path) -> None:
    bundle = load_bundle(published)
    form = bundle.manifest.pictures
    assert form is not None
    run = open_picture_graph(bundle.model, 1)
    picture = np.random.default_rng(0).integers(0, 256, (1, 132, 200, 3), dtype=np.uint8)
    np.testing.assert_array_equal(run_in_tiles(run, picture, form), run(picture))


def test_the_card_names_the_scores_of_the_untouched_source(published: Path) -> None:
    text = (published / "README.md").read_text()
    assert "| score | this model | untouched source | real targets | what it is |" in text
    assert "the worst come last" in text
