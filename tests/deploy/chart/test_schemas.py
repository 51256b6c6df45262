"""The objects of the chart are valid in every version of Kubernetes that is in use.

`make verify` validates all alternatives; `.ci/run` the default values.
"""

import os

import pytest

from tests.deploy.chart.helm import ALTERNATIVES, VERSIONS, faults, render

thorough = pytest.mark.skipif(
    os.environ.get("CHART_TESTS") != "all", reason="make verify validates all alternatives"
)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_default_is_valid(version: str) -> None:
    assert faults(render({}), version) == []


def test_a_fault_is_found() -> None:
    broken = render({}).replace("maxUnavailable: 1\n", "maxUnavailble: 1\n")
    (fault,) = faults(broken, VERSIONS[-1])
    assert "maxUnavailble" in fault


@thorough
@pytest.mark.parametrize("version", VERSIONS)
def test_every_alternative_is_valid(version: str) -> None:
    everything = "\n---\n".join(render(values) for values in ALTERNATIVES.values())
    assert faults(everything, version) == []
