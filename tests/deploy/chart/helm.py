"""The chart and the tools that read it: Helm, and a validator with the schemas of Kubernetes.

The tools lie in `.helm`, where `make .helm/bin/helm` installs them. Tests without them are skipped;
`CHART_TESTS=required` makes that an error.
"""

import functools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy/helm/mirage"
TOOLS = ROOT / ".helm/bin"
NOTICE = "found symbolic link in path"  # rules.yml, which is a link to Prometheus's own
VERSIONS = ("1.33", "1.34", "1.35", "1.36", "1.37")
CUSTOM = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}
"""Kinds of others, for which the validator has no schemas."""

BUCKET = {"models": {"source": "s3://bucket/models"}}
RETRAIN = {
    "schedule": "0 2 * * 0",
    "model": "mine",
    "data": "pvc://data/mine",
    "runs": "pvc://runs",
}
DRAW = {"model": "mnist", "version": 2, "output": "s3://bucket/digits"}
GPU = {"gpus": 1, "image": "mirage:service-gpu", "autoscaling": {"by": "requests"}}
CREDENTIALS = {"secret": "bucket", "environment": {"AWS_REGION": "eu-central-1"}}

Values = dict[str, Any]
ALTERNATIVES: dict[str, Values] = {
    "default": {},
    "path of a claim": {"models": {"source": "pvc://shared/team/models"}},
    "bucket": BUCKET,
    "bucket with credentials": {**BUCKET, "credentials": CREDENTIALS},
    "fixed replicas": {"autoscaling": {"by": "none"}, "replicas": 3},
    "requests in flight": {"autoscaling": {"by": "requests"}},
    "GPU": GPU,
    "monitoring": {"monitoring": {"enabled": True, "labels": {"release": "prometheus"}}},
    "headless": {"service": {"headless": True}, "networkPolicy": {"enabled": False}},
    "callers": {"networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}},
    "keys and settings": {
        "keysSecret": "keys",
        "limitsSecret": "redis",
        "settings": {"body_bytes": 33554432, "workers": 1, "deadline_s": 0.5, "drain_delay_s": 0.5},
        "environment": {"FORWARDED_ALLOW_IPS": "*"},
    },
    "pods": {
        "pod": {
            "imagePullSecrets": [{"name": "registry"}],
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            "priorityClassName": "high",
        },
        "podAnnotations": {"eks.amazonaws.com/skip-containers": "service"},
    },
    "retrain": {"retrain": RETRAIN},
    "retrain into a bucket": {
        **BUCKET,
        "retrain": {**RETRAIN, "data": "hf:ylecun/mnist", "arguments": ["--kimg", "5"], "gpus": 1},
    },
    "draw": {"draw": DRAW},
    "draw into a claim": {**BUCKET, "draw": {**DRAW, "output": "pvc://digits/seven", "gpus": 1}},
}


def require_tools() -> None:
    """Skip the test if the tools are missing, or fail it if they have to be there."""
    if missing := [name for name in ("helm", "kubernetes-validate") if not (TOOLS / name).exists()]:
        reason = f"{', '.join(missing)} is not installed: run make .helm/bin/helm"
        if os.environ.get("CHART_TESTS"):
            pytest.fail(reason)
        pytest.skip(reason)


def run(tool: str, *arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a tool with a text as its standard input."""
    require_tools()
    command = [str(TOOLS / tool), *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)


def helm(command: str, *arguments: str, values: Values) -> subprocess.CompletedProcess[str]:
    """Run a command of Helm on the chart; only errors and warnings remain in its stderr."""
    done = run("helm", command, *arguments, CHART, "--values", "-", text=json.dumps(values))
    lines = done.stderr.splitlines(keepends=True)
    done.stderr = "".join(line for line in lines if NOTICE not in line)
    return done


@functools.cache
def _rendered(values: str) -> str:
    done = helm("template", "prod", "--namespace", "images", values=json.loads(values))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def render(values: Values) -> str:
    """The chart's objects as YAML, for the release `prod` in the namespace `images`."""
    return _rendered(json.dumps(values))


def objects(values: Values) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(render(values)) if each]


def one(kind: str, values: Values, name: str | None = None) -> dict[str, Any]:
    """The only object of a kind, or that with a name."""
    found = [each for each in objects(values) if each["kind"] == kind]
    (each,) = [each for each in found if name in (None, each["metadata"]["name"])]
    return each


def pod(each: dict[str, Any]) -> dict[str, Any] | None:
    """The specification of an object's pods, if it makes any."""
    spec = each["spec"].get("jobTemplate", each)["spec"]
    found: dict[str, Any] | None = spec.get("template", {}).get("spec")
    return found


def pods(values: Values) -> list[dict[str, Any]]:
    return [spec for each in objects(values) if (spec := pod(each))]


def containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from spec.get("initContainers", ())
    yield from spec["containers"]


def faults(documents: str, version: str) -> list[str]:
    """What the schemas of a version of Kubernetes object to."""
    known = [each for each in yaml.safe_load_all(documents) if each and each["kind"] not in CUSTOM]
    text = yaml.safe_dump_all(known)
    done = run("kubernetes-validate", "--strict", "-k", version, "-", text=text)
    lines = done.stdout.splitlines()
    assert len(lines) == len(known) > 0, done.stderr
    return [line for line in lines if not line.startswith("INFO ")]
