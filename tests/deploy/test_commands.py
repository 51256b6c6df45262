"""Every command of `mirage` in the files for deployment can be typed as it stands."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart.helm import ALTERNATIVES, containers, pods
from tests.docs.test_commands import check_mirage

DEPLOY = Path(__file__).parents[2] / "deploy"


def check(words: list[str]) -> None:
    try:
        check_mirage(words)
    except SystemExit:
        pytest.fail(f"mirage {shlex.join(words)}")


def nested(value: Any) -> list[list[str]]:
    """The commands in a document of YAML."""
    if isinstance(value, dict):
        command = [value["command"]] if "command" in value else []
        return command + [each for member in value.values() for each in nested(member)]
    return [each for member in value for each in nested(member)] if isinstance(value, list) else []


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_commands_of_the_chart_exist(name: str) -> None:
    for spec in pods(ALTERNATIVES[name]):
        for container in containers(spec):
            assert container["command"][0] == "mirage"
            check(container["command"][1:])


@pytest.mark.parametrize("file", ["jobset.yaml", "kserve.yaml"])
def test_commands_of_files_exist(file: str) -> None:
    found = nested(list(yaml.safe_load_all((DEPLOY / file).read_text())))
    assert [command[0] for command in found] == ["mirage"]
    check(found[0][1:])


def test_commands_that_slurm_and_ray_are_called_with_exist() -> None:
    calls = re.findall(
        r"^#   sbatch .* deploy/slurm\.sh (.*)$", (DEPLOY / "slurm.sh").read_text(), re.M
    )
    assert [call.split()[0] for call in calls] == ["draw", "train"]
    for call in calls:
        check(call.split())
    ray = ast.get_docstring(ast.parse((DEPLOY / "ray_draw.py").read_text())) or ""
    (call,) = re.findall(r"ray_draw\.py \d+ (.*)$", ray, re.M)
    check(["draw", *call.split(), "--part", "0", "--of", "100"])
