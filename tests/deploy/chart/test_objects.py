"""What the chart makes agrees with the service, the jobs, and itself."""

import re
from typing import Any

import pytest
import yaml

from mirage.service.app import create_app
from mirage.service.settings import PREFIX, Settings
from tests.deploy.chart.helm import (
    ALTERNATIVES,
    BUCKET,
    CHART,
    CREDENTIALS,
    DRAW,
    GPU,
    RETRAIN,
    ROOT,
    Values,
    containers,
    objects,
    one,
    pod,
    pods,
)
from tests.deploy.exit_codes import FINAL
from tests.deploy.test_monitoring import service_metrics

every_alternative = pytest.mark.parametrize("name", ALTERNATIVES)
PROBES = ("startup", "readiness", "liveness")
BY_REQUESTS = {"autoscaling": {"by": "requests"}}
MONITORED = {"monitoring": {"enabled": True, "labels": {"release": "prometheus"}}}
WITH_JOBS = {**BUCKET, "draw": DRAW, "retrain": RETRAIN, "credentials": CREDENTIALS}


def service(values: Values) -> dict[str, Any]:
    """The container that serves."""
    (found,) = one("Deployment", values)["spec"]["template"]["spec"]["containers"]
    return found


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def follower(values: Values) -> dict[str, Any]:
    """The sidecar."""
    (found,) = one("Deployment", values)["spec"]["template"]["spec"]["initContainers"]
    return found


@every_alternative
def test_no_pod_has_more_rights_than_it_needs(name: str) -> None:
    for spec in pods(ALTERNATIVES[name]):
        assert spec["enableServiceLinks"] is False
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 1000  # the image's
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(spec):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


@every_alternative
def test_selectors_find_the_pods(name: str) -> None:
    found = objects(ALTERNATIVES[name])
    labels = one("Deployment", ALTERNATIVES[name])["spec"]["template"]["metadata"]["labels"]
    chosen = [each["spec"]["selector"] for each in found if "selector" in each["spec"]]
    chosen += [each["spec"]["podSelector"] for each in found if each["kind"] == "NetworkPolicy"]
    jobs = {**labels, "app.kubernetes.io/component": "job"}
    assert len(chosen) >= 3
    for selector in chosen:
        assert selector.get("matchLabels", selector) in (labels, jobs)
    for each in found:
        if each["kind"] == "Job":
            assert each["spec"]["template"]["metadata"]["labels"] == jobs


@every_alternative
def test_every_mount_has_its_volume_and_every_object_its_name(name: str) -> None:
    for spec in pods(ALTERNATIVES[name]):
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in containers(spec):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    named = [(each["kind"], each["metadata"]["name"]) for each in objects(ALTERNATIVES[name])]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("name", [*ALTERNATIVES, "jobs with a bucket"])
def test_every_container_can_write_temporary_files(name: str) -> None:
    """Reading and writing object storage needs them, and the root is read-only."""
    for spec in pods(ALTERNATIVES.get(name, WITH_JOBS)):
        assert {"name": "tmp", "emptyDir": {}} in spec["volumes"]
        for container in containers(spec):
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


def test_probes_ask_paths_that_the_service_has() -> None:
    container, routes = service({}), create_app(Settings()).openapi()["paths"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in PROBES}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}
    assert set(paths.values()) <= routes.keys()
    assert container["ports"] == [
        {"name": "http", "containerPort": Settings.model_fields["port"].default}
    ]


@pytest.mark.parametrize(
    "settings", [{}, {"drain_delay_s": 0.5, "grace_s": 0}, {"drain_delay_s": 10, "grace_s": 120.2}]
)
def test_a_pod_may_stop_for_as_long_as_it_takes(settings: Values) -> None:
    spec = one("Deployment", {"settings": settings})["spec"]["template"]["spec"]
    found = variables(service({"settings": settings}))
    needed = float(found["MIRAGE_DRAIN_DELAY_S"]) + float(found["MIRAGE_GRACE_S"]) + 1
    assert spec["terminationGracePeriodSeconds"] >= needed
    assert "lifecycle" not in service({})


def test_every_variable_is_a_setting_of_the_service() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    values = {**GPU, "keysSecret": "keys", "settings": {"default_model": "mnist"}}
    found = variables(service(values))
    assert {name for name in found if name.startswith(PREFIX)} <= known
    assert found["MIRAGE_DEFAULT_MODEL"] == "mnist"
    assert found["MIRAGE_GPUS"] == "1"
    assert found["MIRAGE_KEYS_FILE"] == "/keys/keys"


def test_limits_are_shared_through_a_redis_whose_address_is_secret() -> None:
    values = {"limitsSecret": "redis", "settings": {"images_per_minute": 600}}
    source = variables(service(values))["MIRAGE_LIMITS_URL"]
    assert source == {"secretKeyRef": {"name": "redis", "key": "url"}}
    assert "egress" in one("NetworkPolicy", values, "prod-mirage")["spec"]


def test_the_service_has_a_worker_for_each_cpu_that_it_asks_for() -> None:
    cpus = {"resourceFieldRef": {"containerName": "service", "resource": "requests.cpu"}}
    found = variables(service({"settings": {"threads": 3}}))
    assert (found["MIRAGE_WORKERS"], found["MIRAGE_THREADS"]) == (cpus, "3")
    assert "cpu" not in service({})["resources"]["limits"]  # throttling makes some answers slow


def test_the_default_limit_of_memory_is_that_of_the_alert() -> None:
    assert "0.9 * 2^30" in (CHART / "rules.yml").read_text()
    assert service({})["resources"]["limits"]["memory"] == "1Gi"


def test_a_rollout_or_a_drain_leaves_enough_pods() -> None:
    update = one("Deployment", {})["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxSurge": "25%", "maxUnavailable": 0}
    budget = one("PodDisruptionBudget", {})["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_only_an_autoscaler_or_the_deployment_sets_the_number_of_pods() -> None:
    fixed = {"autoscaling": {"by": "none"}, "replicas": 3}
    assert one("Deployment", fixed)["spec"]["replicas"] == 3
    kinds = {each["kind"] for each in objects(fixed)}
    assert not kinds & {"HorizontalPodAutoscaler", "ScaledObject"}
    for values, kind in (({}, "HorizontalPodAutoscaler"), (BY_REQUESTS, "ScaledObject")):
        assert "replicas" not in one("Deployment", values)["spec"]
        scaler = one(kind, values)["spec"]
        assert scaler["scaleTargetRef"]["name"] == one("Deployment", values)["metadata"]["name"]


def test_the_autoscaler_counts_the_cpu_of_the_service_alone() -> None:
    (metric,) = one("HorizontalPodAutoscaler", {})["spec"]["metrics"]
    assert metric["containerResource"]["container"] == service({})["name"]


def test_keda_asks_for_a_gauge_of_this_service_and_survives_without_prometheus() -> None:
    spec = one("ScaledObject", BY_REQUESTS)["spec"]
    (trigger,) = spec["triggers"]
    query = trigger["metadata"]["query"]
    (metric,) = re.findall(r"mirage_\w+", query)
    assert metric in service_metrics()
    assert not metric.endswith("_total")
    assert '{namespace="images",service="prod-mirage"}' in query
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert spec["fallback"]["replicas"] == 2
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"


def test_rules_are_those_of_prometheus() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    assert one("PrometheusRule", MONITORED)["spec"] == rules
    assert one("PrometheusRule", MONITORED)["metadata"]["labels"]["release"] == "prometheus"


def test_metrics_have_the_job_that_the_rules_ask_for() -> None:
    monitor, target = one("ServiceMonitor", MONITORED)["spec"], one("Service", MONITORED)
    assert monitor["selector"]["matchLabels"].items() <= target["metadata"]["labels"].items()
    assert target["metadata"]["labels"][monitor["jobLabel"]] == "mirage"
    assert 'up{job="mirage"}' in (CHART / "rules.yml").read_text()
    assert monitor["endpoints"][0]["port"] == target["spec"]["ports"][0]["name"]


def test_a_claim_is_only_read_and_a_bucket_is_followed_by_a_sidecar() -> None:
    spec = one("Deployment", {"models": {"source": "pvc://shared/a/b"}})["spec"]["template"]["spec"]
    assert "initContainers" not in spec
    claim = {"name": "models", "persistentVolumeClaim": {"claimName": "shared"}}
    assert claim in spec["volumes"]
    mount = {"name": "models", "mountPath": "/models", "readOnly": True}
    assert {**mount, "subPath": "a/b"} in spec["containers"][0]["volumeMounts"]

    spec = one("Deployment", WITH_JOBS)["spec"]["template"]["spec"]
    assert {"name": "models", "emptyDir": {"sizeLimit": "4Gi"}} in spec["volumes"]
    assert mount in spec["containers"][0]["volumeMounts"]
    sidecar = follower(WITH_JOBS)
    assert sidecar["restartPolicy"] == "Always"
    assert "startupProbe" in sidecar


def test_only_what_reaches_object_storage_has_its_credentials() -> None:
    assert "envFrom" not in service(WITH_JOBS)
    assert "AWS_REGION" not in variables(service(WITH_JOBS))
    for container in (follower(WITH_JOBS), *job_containers(WITH_JOBS)):
        assert container["envFrom"] == [{"secretRef": {"name": "bucket"}}]
        assert variables(container)["AWS_REGION"] == "eu-central-1"


def job_containers(values: Values) -> list[dict[str, Any]]:
    specs = [pod(each) for each in objects(values) if each["kind"] in ("Job", "CronJob")]
    return [container for spec in specs if spec for container in containers(spec)]


def test_the_network_lets_in_requests_and_out_only_those_that_need_it() -> None:
    assert "egress" not in one("NetworkPolicy", {}, "prod-mirage")["spec"]
    policy = one("NetworkPolicy", BUCKET, "prod-mirage")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"][0]["ports"] == [{"port": "http"}]
    assert {port["port"] for port in policy["egress"][0]["ports"]} == {53, 443, 6379}
    assert "ingress" not in one("NetworkPolicy", {}, "prod-mirage-jobs")["spec"]


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_a_job_is_not_repeated_if_it_would_end_in_the_same_way(kind: str) -> None:
    found = one(kind, WITH_JOBS)
    spec = found["spec"].get("jobTemplate", found)["spec"]
    final, disrupted = spec["podFailurePolicy"]["rules"]
    assert final["action"] == "FailJob"
    assert set(final["onExitCodes"]["values"]) == FINAL
    names = [container["name"] for container in spec["template"]["spec"]["containers"]]
    assert names == [final["onExitCodes"]["containerName"]]
    assert disrupted["action"] == "Ignore"
    assert disrupted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # what the policy requires


def test_retraining_runs_once_at_a_time_and_continues() -> None:
    job = one("CronJob", {"retrain": RETRAIN})
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    (container,) = containers(pod(job) or {})
    command = container["command"]
    assert command[:6] == ["mirage", "retrain", "--data", "/data", "--to", "/models/mine"]
    writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"tmp", "runs", "models"}
    (container,) = containers(pod(one("CronJob", WITH_JOBS)) or {})
    assert container["command"][4:6] == ["--to", "s3://bucket/models/mine"]


def test_each_pod_of_a_drawing_job_draws_its_part() -> None:
    job = one("Job", {"draw": {**DRAW, "parts": 7, "count": 100_000_000}})
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == 7
    (container,) = containers(pod(job) or {})
    command = container["command"]
    assert command[:3] == ["mirage", "draw", "mnist"]
    assert command[command.index("--of") + 1] == "7"
    assert command[command.index("--count") + 1] == "100000000"


def test_other_values_of_a_drawing_job_are_another_job() -> None:
    names = {one("Job", {"draw": {**DRAW, "seed": seed}})["metadata"]["name"] for seed in (1, 2, 2)}
    assert len(names) == 2
