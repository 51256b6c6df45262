"""The pages for operators tell what is: the alerts, the files, the exit codes and the settings."""

import re
from pathlib import Path
from typing import Any

import yaml

from docs.reference import settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
OPERATIONS = (DOCS / "operations.md").read_text()
RETRAINING = (DOCS / "retraining.md").read_text()


def first_column(page: str, section: str) -> list[str]:
    """What stands in code type at the start of a section's table rows."""
    text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `?([^|`]+?)`? \|", text, re.MULTILINE)[1:]


def alerts() -> list[str]:
    rules: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
    return [
        rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    ]


def test_every_alert_is_explained_and_none_that_is_not_there() -> None:
    assert first_column(OPERATIONS, "Alerts") == alerts()


def test_every_end_of_a_retraining_job_is_explained() -> None:
    assert first_column(RETRAINING, "Exit codes") == ["0", "1", "2", "3", "4", "5", "6"]


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(r"`((?:deploy|benchmarks)/[^` ]+)", OPERATIONS + RETRAINING)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_variable_that_it_names_is_one_of_compose_or_of_the_service() -> None:
    known = (ROOT / "docker-compose.yml").read_text() + (ROOT / "deploy/roll.sh").read_text()
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", OPERATIONS + RETRAINING))
    assert named
    assert {name for name in named if name not in known and f"`{name}`" not in settings()} <= {
        "MIRAGE_HOST",
        "RUNTIME_DIRECTORY",
        "XDG_RUNTIME_DIR",
    }
