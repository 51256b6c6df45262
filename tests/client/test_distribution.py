"""The client is a separate distribution with few dependencies and the version of the project."""

import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.test_project import pins, project

CLIENT = Path(__file__).parents[2] / "client"


def client_project() -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = tomllib.loads((CLIENT / "pyproject.toml").read_text())
    return found["project"]


def test_has_the_version_of_the_project() -> None:
    assert client_project()["version"] == project()["version"]


def test_has_two_dependencies_with_pinned_versions() -> None:
    needed = [Requirement(text) for text in client_project()["dependencies"]]
    assert [requirement.name for requirement in needed] == ["httpx", "pillow"]
    extras = client_project()["optional-dependencies"].values()
    pinned = pins("constraints.txt")
    for requirement in [*needed, *(Requirement(text) for extra in extras for text in extra)]:
        assert requirement.specifier.contains(pinned[requirement.name])


def test_installs_a_command() -> None:
    (script,) = distribution("mirage-client").entry_points.select(group="console_scripts")
    assert script.name == "mirage"
    assert callable(script.load())
