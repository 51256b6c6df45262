"""The client is a separate distribution with few dependencies and the version of the project."""

import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.test_project import pins, project

# Nothing of the distribution of the server can be imported.
ALONE = """
import sys
sys.modules["mirage"] = None
from mirage_http.__main__ import main
sys.exit(main())
"""
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
    assert script.name == "mirage-client"
    assert callable(script.load())


def test_works_alone_under_its_own_name(tmp_path: Path) -> None:
    """Its imports are relative, as the same files are `mirage.client` elsewhere."""
    (tmp_path / "mirage_http").symlink_to(CLIENT / "mirage_http")
    program = [sys.executable, "-c", ALONE, "generate", "--help"]
    shown = subprocess.run(program, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert shown.startswith("usage: mirage-client generate")
