"""What Prometheus reads."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from mirage.service.app import create_app
from mirage.service.settings import Settings
from mirage.service.telemetry.metrics import Metrics
from tests.service.conftest import ClientOf, JoinWorker
from tests.service.helpers.requests import problem

LABELS = {"model", "version", "provider", "reason", "code", "le"}
PROCESS = {
    *("mirage_process_cpu_seconds_total", "mirage_process_start_time_seconds"),
    *("mirage_process_resident_memory_bytes", "mirage_process_virtual_memory_bytes"),
    *("mirage_process_open_fds", "mirage_process_max_fds"),
}
Values = dict[tuple[str, str], float]


def values(client: TestClient) -> Values:
    """All samples by name and labels, without those of the process."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if "process" not in sample.name and not sample.name.endswith("_created")
    }


def test_names_and_labels_are_of_the_closed_set(client: TestClient) -> None:
    client.post("/generate")
    for family in text_string_to_metric_families(client.get("/metrics").text):
        assert family.name.startswith("mirage_")
        for sample in family.samples:
            assert set(sample.labels) <= LABELS


def test_answers_images_and_stages_are_counted(client_of: ClientOf) -> None:
    client = client_of()
    client.post("/generate", json={"count": 3})
    client.post("/generate", json={"count": 0})
    found = values(client)
    assert found["mirage_requests_total", "code=200"] == 1
    assert found["mirage_requests_total", "code=422"] == 1
    assert found["mirage_rejected_total", "reason=invalid-value"] == 1
    assert found["mirage_images_total", "model=toy,version=1"] == 3
    assert found["mirage_batch_images_sum", "model=toy,version=1"] == 3
    assert found["mirage_queued_images", "model=toy,version=1"] == 0
    assert found["mirage_queue_oldest_seconds", "model=toy,version=1"] == 0
    assert found["mirage_batch_running_seconds", "model=toy,version=1"] == 0
    assert found["mirage_requests_in_flight", ""] == 0
    assert found["mirage_requests_waiting", ""] == 0
    for stage in ("queue", "engine", "encode", "batch"):
        assert found[f"mirage_{stage}_duration_seconds_count", "model=toy,version=1"] == 1
    assert found["mirage_request_duration_seconds_count", ""] == 2


def test_models_and_readiness_are_told(client_of: ClientOf) -> None:
    found = values(client_of())
    assert found["mirage_ready", ""] == 1
    assert found["mirage_model_loaded", "model=toy,provider=cpu,version=1"] == 1
    assert found["mirage_model_released", "model=toy,version=1"] == 1
    assert found["mirage_reloads_total", "model=toy,reason=ok"] == 1
    assert found["mirage_models_unreadable", ""] == 0


def test_the_process_and_the_log_are_told(client: TestClient) -> None:
    families = text_string_to_metric_families(client.get("/metrics").text)
    found = {sample.name: sample.value for family in families for sample in family.samples}
    assert all(found[name] > 0 for name in PROCESS)
    assert found["mirage_memory_bytes"] > 0
    assert found["mirage_metrics_whole"] == 1
    assert "mirage_log_lines_dropped_total" in found


def test_metrics_are_made_beside_the_event_loop(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of()
    metrics: Metrics = client.app.state.service.metrics  # type: ignore[attr-defined]
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> bytes:
        begun.set()
        assert go_on.wait(60)
        return b"slow"

    monkeypatch.setattr(metrics, "exposition", slow)
    with ThreadPoolExecutor(1) as pool:
        scrape = pool.submit(client.get, "/metrics")
        assert begun.wait(60)
        assert client.get("/healthz").status_code == 200
        go_on.set()
        assert scrape.result().text == "slow"


def test_lost_files_are_told_once_and_serving_goes_on(
    settings: Settings, worker: JoinWorker, caplog: pytest.LogCaptureFixture
) -> None:
    shared = worker(0)
    app = create_app(settings, metrics=Metrics(shared))
    with TestClient(app) as client:
        assert client.get("/metrics").status_code == 200
        shutil.rmtree(shared.path)
        for _ in range(2):
            problem(client.get("/metrics"), 503, "metrics-unavailable")
        assert client.post("/generate").status_code == 200
    assert caplog.text.count("metrics are lost") == 1


def test_two_applications_do_not_share_their_metrics(client_of: ClientOf) -> None:
    first, second = client_of(), client_of()
    first.post("/generate")
    assert ("mirage_requests_total", "code=200") not in values(second)
