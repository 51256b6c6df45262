"""A run in MLflow, if MLFLOW_TRACKING_URI is set: configuration, statistics, scores, report."""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, redirect_stdout
from typing import Any

from mirage.bundle.format.manifest import Score
from mirage.training.extras import how_to_install
from mirage.training.runs.run_dir import Run

log = logging.getLogger(__name__)
URI = "MLFLOW_TRACKING_URI"
DEFAULTS = {  # MLflow's own wait minutes for a server that does not answer
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # what was not sent is sent with the next line
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class MlflowRecorder(AbstractContextManager["MlflowRecorder"]):
    """Sends new lines of `stats.jsonl` on a thread, and how the run ended; faults are one warning.

    resumed_at: lines after this many images are sent again.
    """

    def __init__(self, run: Run, resumed_at: int) -> None:
        self.run, self._resumed_at = run, resumed_at
        self._thread = ThreadPoolExecutor(1, "mlflow")
        self._going: Future[None] | None = None
        self._run_id, self._sent, self._is_healthy = "", 0, True

    def update(self) -> None:
        """Begin to send what is new, unless the lines before are still being sent."""
        if self._going is None or self._going.done():
            self._going = self._thread.submit(self._attempt, self._send)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown()
        self._attempt(lambda mlflow: self._end(mlflow, error is not None))

    def _attempt(self, send: Callable[[Any], object]) -> None:
        self._is_healthy &= attempt(send, warn=self._is_healthy)

    def _send(self, mlflow: Any) -> None:
        if not self._run_id:
            self._begin(mlflow)
        for line in self.run.read_stats():
            if (nimg := line.pop("nimg")) > self._sent:
                mlflow.log_metrics(line, step=nimg, run_id=self._run_id)
                self._sent = nimg

    def _begin(self, mlflow: Any) -> None:
        """Go on in the MLflow run of before, else create one with the configuration."""
        client = mlflow.MlflowClient()
        if run_id := self.run.read_mlflow():
            client.update_run(run_id, "RUNNING")
            steps = [metric.step for metric in client.get_metric_history(run_id, "kimg_per_s")]
            self._run_id, self._sent = run_id, min(max(steps, default=0), self._resumed_at)
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
        number = os.environ.get("MLFLOW_EXPERIMENT_ID") or mlflow.set_experiment(name).experiment_id
        info = client.create_run(number, run_name=self.run.path.resolve().name).info
        config, data = self.run.read_config()
        mlflow.log_params(config.model_dump() | {"data": data["fingerprint"]}, run_id=info.run_id)
        self.run.write_mlflow(info.run_id)
        self._run_id = info.run_id

    def _end(self, mlflow: Any, failed: bool) -> None:
        self._send(mlflow)
        is_complete = self._sent >= self.run.read_config()[0].kimg * 1000
        status = "FAILED" if failed else "FINISHED" if is_complete else "KILLED"
        with redirect_stdout(sys.stderr):  # it prints a link
            mlflow.MlflowClient().set_terminated(self._run_id, status)


def record_scores(run: Run, scores: Mapping[str, Score]) -> None:
    """Send scores of the last snapshot, and the report, of a run that MLflow records."""
    if run_id := run.read_mlflow():
        step, values = int(run.latest_snapshot().stem), {k: v.value for k, v in scores.items()}
        attempt(lambda mlflow: mlflow.log_metrics(values, step=step, run_id=run_id))
        if (report := run.path / "report.html").exists():
            attempt(lambda mlflow: mlflow.log_artifact(str(report), run_id=run_id))


def attempt(send: Callable[[Any], object], warn: bool = True) -> bool:
    """Call with MLflow if the variable is set; a fault of any kind is a warning, and False."""
    if not os.environ.get(URI):
        return True
    os.environ.update({**DEFAULTS, **os.environ})
    try:
        import mlflow

        send(mlflow)
    except Exception as error:
        hint = f"; {how_to_install('mlflow')}" if isinstance(error, ImportError) else ""
        level = logging.WARNING if warn else logging.DEBUG
        log.log(level, "the run is not recorded in MLflow: %.300s%s", error, hint)
        return False
    return True
