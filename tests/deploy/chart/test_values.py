"""The chart lints with all its values, and refuses wrong ones in words."""

import json
import re
from typing import Any

import pytest
import yaml

from mirage.service.settings import Settings
from tests.deploy.chart.helm import ALTERNATIVES, BUCKET, CHART, DRAW, GPU, RETRAIN, Values, helm
from tests.test_project import project

DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
FIXED = {
    "host",
    "port",
    "models",
    "keys_file",
    "limits_url",
}  # settings that the chart gives itself
OPEN = {"pod", "settings", "environment", "resources"}
"""Values that are described as one."""


def names(values: dict[str, Any], prefix: str = "") -> list[str]:
    """The dotted names of values."""
    found = []
    for name, value in values.items():
        nested = isinstance(value, dict) and value and name not in OPEN
        found += names(value, f"{prefix}{name}.") if nested else [prefix + name]
    return found


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_every_alternative_lints(name: str) -> None:
    done = helm("lint", "--strict", values=ALTERNATIVES[name])
    assert done.returncode == 0, done.stdout
    assert not re.search("WARN|ERROR", done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replcas": 3}, "additional properties 'replcas' not allowed"),
        ({"settings": {"drain_dely_s": 1}}, "invalid propertyName 'drain_dely_s'"),
        ({"settings": {"port": 80}}, "invalid propertyName 'port'"),
        ({"settings": {"grace_s": None}}, "missing property 'grace_s'"),
        ({"replicas": 0}, "at '/replicas': minimum: got 0, want 1"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"resources": {"requests": {"cpu": None}}}, "missing property 'cpu'"),
        ({"autoscaling": {"by": "queue"}}, "must be one of 'none', 'cpu', 'requests'"),
        ({"service": {"port": 70000}}, "at '/service/port': maximum"),
        ({"models": {"source": "nfs"}}, 'models.source is "nfs": give pvc://CLAIM, or the URL'),
        ({"models": {"source": "hf://a/b"}}, 'models.source is "hf://a/b": give pvc://CLAIM, or'),
        ({"autoscaling": {"minReplicas": 11}}, "autoscaling.minReplicas is 11, more than maxRepl"),
        ({**GPU, "autoscaling": {"by": "cpu"}}, "autoscaling.by is cpu and gpus is not 0"),
        ({"retrain": {**RETRAIN, "model": ""}}, "retrain.model is empty: give the name"),
        ({"retrain": {**RETRAIN, "data": "/data"}}, 'retrain.data is "/data": give pvc://'),
        ({"retrain": {**RETRAIN, "runs": ""}}, 'retrain.runs is "": give pvc://CLAIM; a repeated'),
        ({"retrain": {**RETRAIN, "schedule": "daily"}}, "at '/retrain/schedule': 'daily' does not"),
        ({"draw": {**DRAW, "version": 0}}, "draw.version is 0: give the model's version"),
        ({"draw": {**DRAW, "output": "digits"}}, 'draw.output is "digits": give pvc://CLAIM/PATH'),
        ({"draw": {**DRAW, "output": "ftp://a/b"}}, 'draw.output is "ftp://a/b": give pvc://'),
        ({"draw": {**DRAW, "parts": 0}}, "at '/draw/parts': minimum: got 0, want 1"),
    ],
)
def test_wrong_values_are_refused_in_words(values: Values, words: str) -> None:
    done = helm("template", "prod", values=values)
    assert done.returncode != 0
    assert words in done.stderr
    assert done.stdout == ""


def test_every_setting_of_the_service_can_be_given() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]
    assert set(schema["propertyNames"]["enum"]) == Settings.model_fields.keys() - FIXED


def test_every_value_has_a_type() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def untyped(values: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> list[str]:
        properties = schema.get("properties", {})
        assert schema.get("additionalProperties") is False, prefix
        missing = [prefix + name for name in values if name not in properties]
        for name, value in values.items():
            if (
                isinstance(value, dict)
                and name not in OPEN
                and "properties" in properties.get(name, {})
            ):
                missing += untyped(value, properties[name], f"{prefix}{name}.")
        return missing

    assert untyped(DEFAULTS, schema) == []


def test_the_readme_describes_every_value_with_its_default() -> None:
    text = (CHART / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|", text, re.MULTILINE))
    assert list(rows) == names(DEFAULTS)
    for name, default in rows.items():
        value: Any = DEFAULTS
        for part in name.split("."):
            value = value[part]
        assert yaml.safe_load(default.strip("`") if default != "-" else '""') == value, name


def test_the_chart_has_the_projects_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {project()["version"]}


def test_the_chart_stays_small() -> None:
    files = [CHART / "values.yaml", *(CHART / "templates").iterdir()]
    assert sum(len(file.read_text().splitlines()) for file in files) <= 350


def test_numbers_are_written_in_full() -> None:
    done = helm("template", "prod", values={**BUCKET, "settings": {"body_bytes": 33554432}})
    assert '"name":"MIRAGE_BODY_BYTES","value":"33554432"' in done.stdout
