"""docs/operations.md tells what is: the settings, the alerts, the files and the exit codes."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.test_readme import settings_table

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
OPERATIONS = (DOCS / "operations.md").read_text()


def first_column(section: str) -> list[str]:
    """What stands in code type at the start of a section's table rows."""
    text = OPERATIONS.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `?([^|`]+?)`? \|", text, re.MULTILINE)[1:]


def alerts() -> list[str]:
    rules: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    return [
        rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    ]


def test_the_settings_are_those_of_the_service() -> None:
    listed = OPERATIONS.split("tests/test_operations.py -->\n")[1].split("\n<!-- /settings")[0]
    assert listed == settings_table()


def test_every_alert_is_explained_and_none_that_is_not_there() -> None:
    assert first_column("Alerts") == alerts()


def test_every_end_of_a_retraining_job_is_explained() -> None:
    assert first_column("Retraining") == ["0", "1", "2", "3", "4", "5", "6"]


def test_every_file_that_it_names_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", OPERATIONS) if "://" not in link]
    named = re.findall(r"`((?:deploy|benchmarks)/[^` ]+)", OPERATIONS)
    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_variable_that_it_names_is_one_of_compose_or_of_the_service() -> None:
    known = (ROOT / "docker-compose.yml").read_text() + (ROOT / "deploy/roll.sh").read_text()
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", OPERATIONS))
    assert named
    assert {
        name for name in named if name not in known and f"`{name}`" not in settings_table()
    } <= {"MIRAGE_HOST", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"}
