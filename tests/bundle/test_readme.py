"""The description of the format in models/README.md matches the code."""

import re
from pathlib import Path
from typing import get_args

from mirage.bundle.errors import Reason
from mirage.bundle.format.graph import OPERATORS
from mirage.bundle.format.limits import MIB, Limits
from mirage.bundle.format.manifest import (
    FORMAT_VERSION,
    MAX_DIRECTIONS,
    NAME_PATTERN,
    Manifest,
    Training,
)

README = (Path(__file__).parents[2] / "models" / "README.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_cells(heading: str) -> set[str]:
    """The code words in the first column of the tables of a section."""
    rows = [line.split("|")[1] for line in section(heading).splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_lists_exactly_the_allowed_operators() -> None:
    quoted = [line[2:] for line in section("model.onnx").splitlines() if line.startswith("> ")]
    assert " ".join(quoted).split() == sorted(OPERATORS)


def test_describes_exactly_the_fields_of_the_manifest() -> None:
    fields = {name for name in Manifest.model_fields if name != "training"}
    fields |= {f"training.{name}" for name in Training.model_fields}
    assert first_cells("manifest.json") == fields


def test_explains_exactly_the_reasons_of_errors() -> None:
    assert first_cells("What verification means") == set(get_args(Reason))


def test_states_the_limits_of_the_code() -> None:
    limits = Limits()
    for fact in (
        NAME_PATTERN,
        f"at most {limits.manifest_bytes // MIB} MiB",
        f"{limits.model_bytes // MIB} MiB for the graph",
        f"{limits.golden_bytes // MIB} MiB for the golden images",
        f"{limits.other_bytes // MIB} MiB for each other file",
        f"over {limits.graph_fields:,} fields",
        f"| `format_version` | integer | {FORMAT_VERSION}. Readers",
        f"at most {MAX_DIRECTIONS}, the strongest first",
    ):
        assert fact in " ".join(README.split())
