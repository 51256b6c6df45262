"""Runs in MLflow: a store in files, and a port where no server is."""

import logging
import sys
from pathlib import Path

import pytest

from mirage.training.__main__ import main
from mirage.training.config import build_config
from mirage.training.errors import CollapseError
from mirage.training.evaluation.scorecard import read_scorecard, scores_file
from mirage.training.publish.job_result import read_result
from mirage.training.retrain import retrain
from mirage.training.runs.loop import train
from mirage.training.runs.mlflow_recorder import MlflowRecorder
from mirage.training.runs.run_dir import Run
from tests.training.helpers.datasets import TINY, shapes_dataset, write_idx_folder
from tests.training.helpers.jobs import make_job
from tests.training.runs.test_loop import arguments

mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "")  # MLflow sets it
    uri = (tmp_path / "store").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


def trained(path: Path, kimg: float) -> Run:
    config = build_config("mnist", {**TINY, "kimg": kimg})
    return train(config, shapes_dataset(), path, threads=1)


def recorded(uri: str) -> list:
    """The runs of the experiment."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("digits")
    return client.search_runs([experiment.experiment_id]) if experiment else []


def curve(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    history = mlflow.MlflowClient(uri).get_metric_history(run_id, name)
    return [(metric.step, metric.value) for metric in history]


def written(run: Run, name: str) -> list[tuple[int, float]]:
    return [(line["nimg"], line[name]) for line in run.read_stats()]


def test_a_run_is_recorded_with_its_configuration_and_statistics(
    store: str, tmp_path: Path
) -> None:
    run = trained(tmp_path / "run", 0.048)
    (found,) = recorded(store)
    config, data = run.read_config()
    assert found.info.run_name == "run"
    assert found.info.status == "FINISHED"
    assert found.data.params["seed"] == str(config.seed)
    assert found.data.params["data"] == data["fingerprint"]
    assert curve(store, found.info.run_id, "g_loss") == written(run, "g_loss")
    assert len(written(run, "g_loss")) == 3


def test_a_resumed_run_goes_on_in_the_same_mlflow_run(store: str, tmp_path: Path) -> None:
    trained(tmp_path / "run", 0.032)
    run = trained(tmp_path / "run", 0.064)
    (found,) = recorded(store)
    assert curve(store, found.info.run_id, "g_loss") == written(run, "g_loss")
    assert found.info.status == "FINISHED"


def test_what_a_server_missed_is_sent_later(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that fails costs one warning and no training."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    run = trained(tmp_path / "run", 0.032)
    assert len(run.read_stats()) == 2
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "the run is not recorded in MLflow" in record.getMessage()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    run = trained(tmp_path / "run", 0.048)
    (found,) = recorded(store)
    assert curve(store, found.info.run_id, "g_loss") == written(run, "g_loss")


def test_how_a_run_ended_is_recorded(store: str, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 0.032)
    config, data = run.read_config()
    with MlflowRecorder(run, 32):
        run.write_config(config.model_copy(update={"kimg": 1}), data)
    assert [found.info.status for found in recorded(store)] == ["KILLED"]
    with pytest.raises(CollapseError), MlflowRecorder(run, 32):
        raise CollapseError("collapsed")
    assert [found.info.status for found in recorded(store)] == ["FAILED"]


def test_lines_after_the_checkpoint_that_is_resumed_are_sent_again(
    store: str, tmp_path: Path
) -> None:
    run = trained(tmp_path / "run", 0.048)
    with MlflowRecorder(run, 32):
        pass
    (found,) = recorded(store)
    steps = [step for step, _ in curve(store, found.info.run_id, "g_loss")]
    assert sorted(steps) == [16, 32, 48, 48]


def test_a_job_records_its_scores_and_report(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = retrain(make_job(tmp_path))
    (found,) = recorded(store)
    scores = result.scores
    assert found.data.metrics["frechet"] == pytest.approx(scores["frechet"].value)
    artifacts = mlflow.MlflowClient(store).list_artifacts(found.info.run_id)
    assert [artifact.path for artifact in artifacts] == ["report.html"]
    assert read_result(Path(result.run)) == result
    assert capfd.readouterr().out == ""  # the command writes its result there


def test_evaluating_a_recorded_run_adds_its_scores(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    write_idx_folder(data, count=96)
    assert main([*arguments(data, tmp_path / "run"), "--threads", "1"]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(data), "--threads", "1"]) == 0
    (found,) = recorded(store)
    card = read_scorecard(scores_file(Run(tmp_path / "run").latest_snapshot()))
    assert card is not None
    assert found.data.metrics["coverage"] == card.scores["coverage"].value


def test_a_missing_package_is_a_warning_that_names_it(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    run = trained(tmp_path / "run", 0.016)
    assert not run.mlflow_file.exists()
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "pip install -e '.[mlflow]'" in record.getMessage()


def test_nothing_is_recorded_without_the_variable(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    run = trained(tmp_path / "run", 0.016)
    assert not run.mlflow_file.exists()
    assert recorded(store) == []
