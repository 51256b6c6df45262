from pathlib import Path

import onnxruntime
import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Score
from mirage.training.errors import DataError
from mirage.training.evaluation.scorecard import write_scorecard
from mirage.training.publish.scored_model import open_scored_model
from mirage.training.runs.run_dir import Run
from tests.bundles import make_bundle
from tests.training.evaluation.test_scorecard import card
from tests.training.helpers.snapshots import config_of, make_snapshot, sheet_of


def test_a_bundle_is_scored_by_its_graph_and_recorded_scores(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path, "toy", labels=("a", "b"))
    model = open_scored_model(folder)
    assert model.name == "toy@1"
    assert model.graph == (folder / "model.onnx").read_bytes()
    assert model.classes == ("a", "b")
    assert model.image == (8, 12, 1)
    assert model.scores == {"frechet": Score(value=2.5, floor=0.5, n=10_000)}
    assert model.scores_file is None


def test_a_broken_bundle_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError):
        open_scored_model(folder)


def test_a_run_is_scored_by_its_newest_snapshot(tmp_path: Path) -> None:
    run = Run(tmp_path / "digits")
    snapshot = make_snapshot(run.snapshot_path(0).parent)
    run.write_config(config_of(), sheet_of(snapshot))
    model = open_scored_model(run.path)
    assert (model.name, model.kimg, model.preset) == ("digits", 8, "mnist")
    assert model.image == (8, 12, 1)
    assert {item.name for item in onnxruntime.InferenceSession(model.graph).get_inputs()} == {
        "latents",
        "labels",
    }
    assert model.scores == {}
    assert model.scores_file == run.snapshots / "000008000.scores.json"
    write_scorecard(model.scores_file, card())
    assert open_scored_model(run.path).card == card()


def test_a_folder_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no run"):
        open_scored_model(tmp_path)
