"""Workers that count in shared files; here several of them in one process."""

import logging
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mirage.service.telemetry.aggregation import (
    COUNTS,
    VERSION_BYTES,
    MetricsLost,
    SharedMetrics,
    shared_metrics,
)
from mirage.service.telemetry.metrics import Metrics
from tests.service.conftest import JoinWorker


def read(metrics: Metrics) -> dict[str, float]:
    """Values by name, for those with labels by name and labels."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Stands for a file system with less room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_each_worker_answers_for_all(worker: JoinWorker) -> None:
    one = Metrics(worker(0))
    one.count_request(200, 0.02)
    one.in_flight = 2
    one.ready.set(1)
    other = Metrics(worker(1))
    other.count_request(200, 0.3)
    other.in_flight = 3
    other.ready.set(0)
    other.sampler.sample()
    found = read(one)
    assert found["mirage_requests_total 200"] == 2
    assert found["mirage_request_duration_seconds_bucket 0.025"] == 1
    assert found["mirage_request_duration_seconds_count"] == 2
    assert found["mirage_requests_in_flight"] == 5
    assert found["mirage_ready"] == 0
    assert found["mirage_metrics_whole"] == 1
    other.ready.set(1)
    assert read(other)["mirage_ready"] == 1


def test_counters_never_fall_when_a_worker_is_lost_and_replaced(worker: JoinWorker) -> None:
    lost = Metrics(worker(1))
    lost.count_request(200, 0.02)
    lost.in_flight = 7
    lost.sampler.sample()
    shared = worker(0)
    one = Metrics(shared)
    one.count_request(200, 0.02)
    cpu = read(one)["mirage_process_cpu_seconds_total"]
    assert read(one)["mirage_requests_in_flight"] == 7
    shared.forget(1)
    assert read(one)["mirage_requests_total 200"] == 2
    assert read(one)["mirage_requests_in_flight"] == 0
    again = Metrics(worker(1))
    again.count_request(200, 0.02)
    found = read(one)
    assert found["mirage_requests_total 200"] == 3
    assert found["mirage_request_duration_seconds_count"] == 3
    assert found["mirage_requests_in_flight"] == 0
    assert found["mirage_process_cpu_seconds_total"] >= cpu


def test_many_restarts_do_not_let_the_directory_grow(worker: JoinWorker, tmp_path: Path) -> None:
    Metrics(worker(0))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    for _ in range(20):
        Metrics(worker(0)).count_request(200, 0.02)
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == sizes
    assert read(Metrics(worker(0)))["mirage_requests_total 200"] == 20


def test_all_files_are_allocated_before_they_are_counted_in(
    worker: JoinWorker, tmp_path: Path
) -> None:
    """Otherwise the first write to a full file system would end the process."""
    metrics = Metrics(worker(0))
    metrics.count_request(200, 0.02)
    for version in range(1, 10):
        metrics.batch_observer("a" * 60, str(version))(1, 0.1)
    for path in tmp_path.iterdir():
        found = path.stat()
        assert found.st_blocks * 512 >= found.st_size, path.name


@pytest.mark.parametrize("removed", ["counter_1.db", "histogram_0.db"])
def test_a_missing_file_is_told_and_no_smaller_sum(
    worker: JoinWorker, tmp_path: Path, removed: str, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics(worker(0))
    (tmp_path / removed).unlink()
    for _ in range(2):
        with pytest.raises(MetricsLost):
            metrics.exposition()
    metrics.count_request(200, 0.02)  # as if nothing was
    assert caplog.text.count("metrics are lost") == 1


def test_a_version_for_which_there_is_no_room_is_left_out(
    worker: JoinWorker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mirage.service.telemetry.aggregation.SPARE_BYTES", 2**62)
    metrics = Metrics(worker(0))
    versions = COUNTS["histogram"] // VERSION_BYTES
    for version in range(versions + 1):
        metrics.batch_observer("m" * 64, str(version))(1, 0.1)
    found = read(metrics)
    assert found[f"mirage_batch_images_count {'m' * 64} {versions - 1}"] == 1
    assert f"mirage_batch_images_count {'m' * 64} {versions}" not in found
    assert metrics.answered("m" * 64, versions) is None
    assert "no room for the metrics of a version" in caplog.text


def test_the_directory_is_private_and_goes_in_the_end(tmp_path: Path) -> None:
    with shared_metrics(2, [tmp_path]) as shared:
        assert shared is not None
        assert shared.path.parent == tmp_path
        assert stat.S_IMODE(shared.path.stat().st_mode) == 0o700
        assert {path.name for path in shared.path.iterdir()} == {
            *("counter_0.db", "counter_1.db", "histogram_0.db", "histogram_1.db")
        }
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_service_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left = "import os, sys; from pathlib import Path\n"
    left += "from mirage.service.telemetry.aggregation import shared_metrics\n"
    left += "with shared_metrics(1, [Path(sys.argv[1])]): os._exit(0)"
    subprocess.run([sys.executable, "-c", left, tmp_path], check=True, timeout=60)
    (abandoned,) = tmp_path.iterdir()
    with shared_metrics(1, [tmp_path]) as used, shared_metrics(1, [tmp_path]) as other:
        assert used is not None
        assert other is not None
        assert {*tmp_path.iterdir()} == {used.path, other.path}
        assert abandoned not in tmp_path.iterdir()


def test_where_there_is_no_room_the_next_place_is_taken(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with shared_metrics(1, [absent, tmp_path]) as shared:
        assert shared is not None
        assert shared.path.parent == tmp_path


def test_without_any_place_each_worker_answers_for_itself_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with files_of_at_most(1000), shared_metrics(2, [tmp_path]) as shared:
        assert shared is None
    assert list(tmp_path.iterdir()) == []
    assert "each worker answers /metrics for itself alone" in caplog.text
    metrics = Metrics(shared, is_whole=False)
    metrics.count_request(200, 0.02)
    found = read(metrics)
    assert found["mirage_metrics_whole"] == 0
    assert found["mirage_requests_total 200"] == 1


def test_a_worker_for_which_there_is_no_room_serves_and_hides_no_others(
    worker: JoinWorker, caplog: pytest.LogCaptureFixture
) -> None:
    shared = worker(0)
    Metrics(shared).count_request(200, 0.02)
    with files_of_at_most(1000), caplog.at_level(logging.WARNING):
        assert not shared.join(1)
    assert read(Metrics(shared))["mirage_requests_total 200"] == 1
    assert "worker is missing from the metrics number=1" in caplog.text


def test_the_directory_comes_from_the_service_manager_where_there_is_no_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirage.service.telemetry.aggregation.MEMORY", tmp_path / "absent")
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}{os.pathsep}/other")
    with shared_metrics(1) as shared:
        assert isinstance(shared, SharedMetrics)
        assert shared.path.parent == tmp_path
