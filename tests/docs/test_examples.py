"""The examples are valid, and use what Mirage has."""

import ast
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from mirage.client import Client, InterpolateOptions, Options
from tests.docs.pages import ROOT
from tests.docs.test_commands import check_mirage

EXAMPLES = ROOT / "examples"
NOTEBOOK: dict[str, Any] = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
PROGRAMS = {
    **{path.name: path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.py"))},
    "notebook.ipynb": "\n".join(
        "".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"
    ),
}
OPTIONS = {
    "generate": set(Options.__annotations__),
    "interpolate": set(InterpolateOptions.__annotations__),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_calls_of_the_client_exist(name: str) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(PROGRAMS[name]))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "client"
    ]
    shared = any(f"from {Path(other).stem} import" in PROGRAMS[name] for other in PROGRAMS)
    assert calls or shared
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        assert hasattr(Client, call.func.attr)
        named = {keyword.arg for keyword in call.keywords}
        assert named <= OPTIONS.get(call.func.attr, named)


def test_the_notebook_has_the_form_of_notebooks() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    identifiers = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(identifiers)) == len(identifiers) > 0
    for cell in NOTEBOOK["cells"]:
        fields = {"cell_type", "id", "metadata", "source"}
        is_code = cell["cell_type"] == "code"
        assert cell.keys() == (fields | {"execution_count", "outputs"} if is_code else fields)
        assert not is_code or (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_schedule_is_one_of_cron() -> None:
    lines = (EXAMPLES / "retrain.cron").read_text(encoding="utf-8").splitlines()
    (job,) = [line for line in lines if line[:1].isdigit()]
    words = shlex.split(job)
    assert words[:5] == ["0", "2", "*", "*", "0"]
    check_mirage(words[words.index("mirage", 6) + 1 :])


def test_examples_are_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb", ".cron")]
    assert len(files) > 1
    assert [name for name in files if f"({name})" not in listed] == []


def test_hidden_files_of_developers_are_valid() -> None:
    container = json.loads(Path(ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make setup"
