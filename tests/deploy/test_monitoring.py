"""Rules, alerts and dashboard ask for metrics that the service has."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mirage.service.sharing.counters import SharedCounters
from mirage.service.telemetry.metrics import Metrics
from mirage.service.telemetry.worker_collector import WorkerCollector

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
NAME = re.compile(r"\b(?:mirage_[a-z_]+|mirage:[a-z0-9_:]+|haproxy_[a-z_]+)")
HAPROXY = {"haproxy_backend_active_servers"}

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def service_metrics() -> set[str]:
    """The names of all series of the service, but for the times since when something counts."""
    workers = CollectorRegistry()
    workers.register(WorkerCollector(SharedCounters(2)))
    text = (Metrics().exposition() + generate_latest(workers)).decode()
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        family.name + ending
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for ending in endings.get(family.type, [""])
        if not family.name.endswith("_created")
    }


def test_every_metric_that_is_asked_for_is_there() -> None:
    known = service_metrics() | recorded() | HAPROXY
    asked = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    asked |= {name for query in queries() for name in NAME.findall(query)}
    assert len(asked) > 20
    assert asked - known == set()


def test_every_metric_of_requests_and_models_is_shown_or_watched() -> None:
    text = "\n".join([*(rule["expr"] for rule in rules()), *queries()])
    own = {name for name in service_metrics() if not name.startswith("mirage_process_")}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in own}
    assert {name for name in families if name not in text} == set()


def test_every_alert_says_how_bad_it_is_and_what_it_saw() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert alerts
    for alert in alerts:
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"]["summary"]


def test_every_alert_has_a_unit_test() -> None:
    tested = (PROMETHEUS / "rules_test.yml").read_text()
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert {alert for alert in alerts if f"alertname: {alert}\n" not in tested} == set()


def test_the_dashboard_asks_the_source_that_is_provisioned() -> None:
    path = DEPLOY / "grafana/provisioning/datasources/prometheus.yml"
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    asked = {target["datasource"]["uid"] for p in DASHBOARD["panels"] for target in p["targets"]}
    assert asked == {source["uid"]}


def test_no_panels_overlap() -> None:
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@promtool
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    _promtool("check", "config", "prometheus.yml")


@promtool
def test_the_rules_do_what_their_tests_say() -> None:
    _promtool("test", "rules", "rules_test.yml")


def _promtool(*arguments: str) -> None:
    command = ["promtool", *arguments]
    done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
