"""The project's own papers agree: changelog, version, dependency ranges and pins."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def project() -> dict[str, Any]:
    document: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return document["project"]


def pins(constraints: str) -> dict[str, str]:
    """Package name to its exact version, in a constraints file and in those it includes."""
    versions: dict[str, str] = {}
    for line in (ROOT / constraints).read_text().splitlines():
        if line.startswith("-c "):
            versions |= pins(line.removeprefix("-c "))
        elif line and not line.startswith("#"):
            name, version = line.split("==")
            versions[canonicalize_name(name)] = version
    return versions


def test_the_changelog_begins_with_the_projects_version() -> None:
    versions = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == project()["version"]


@pytest.mark.parametrize(
    ("extras", "constraints"),
    [
        (
            (
                *("cpu", "training", "test", "browser", "bench"),
                *(
                    "docs",
                    "hf",
                    "mlflow",
                    "tensorboard",
                    "features",
                    "redis",
                    "s3",
                    "sound",
                    "sweep",
                ),
            ),
            "constraints.txt",
        ),
        (("gpu", "training"), "constraints-gpu.txt"),
        (("openvino",), "constraints-openvino.txt"),
    ],
)
def test_every_dependency_is_pinned_within_its_range(
    extras: tuple[str, ...], constraints: str
) -> None:
    optional = project()["optional-dependencies"]
    texts = project()["dependencies"] + [text for extra in extras for text in optional[extra]]
    pinned = pins(constraints)
    for requirement in map(Requirement, texts):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"
