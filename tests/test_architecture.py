"""The rooms of the project: who imports whom, and that importing one does nothing but define."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "client"  # a distribution of its own, with its package in it
PACKAGE = "mirage"  # what code imports; it holds links to the rooms
ROOMS = ("bundle", "training", "service", "mirage_client")
MAX_LINES = 350

MAY_IMPORT = {
    "bundle": {"numpy", "onnx", "pydantic"},
    "training": {
        *("bundle", "numpy", "onnx", "onnxruntime", "onnxscript", "PIL"),
        *("pydantic", "safetensors", "torch", "tqdm"),
    },
    "service": {
        *("bundle", "cuda", "fastapi", "httptools", "isal", "numpy", "onnx", "onnxruntime", "PIL"),
        *("prometheus_client", "pydantic", "pydantic_core", "pydantic_settings"),
        "pythonjsonlogger",
        *("starlette", "uvicorn"),
    },
    "mirage_client": {"httpx", "numpy", "PIL"},
}
# What must stay out of the process even when a dependency would bring it in.
NEVER_LOADS = {
    "bundle": {"fastapi", "onnxruntime", "service", "torch", "training"},
    "training": {"fastapi", "service"},
    "service": {"torch", "training"},
    "mirage_client": {"bundle", "fastapi", "numpy", "service", "torch", "training"},
}

PROBE = """
import importlib, json, sys, threading
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps({"modules": sorted(sys.modules), "threads": threading.active_count()}))
"""


def source_files(folder: str) -> list[Path]:
    return sorted(((CLIENT if folder == "mirage_client" else ROOT) / folder).rglob("*.py"))


def module_name(file: Path) -> str:
    own = CLIENT in file.parents
    parts = file.relative_to(CLIENT if own else ROOT).with_suffix("").parts
    inside = not own and parts[0] in ROOMS
    return ".".join((PACKAGE, *parts) if inside else parts).removesuffix(".__init__")


def imported_packages(file: Path) -> Iterator[str]:
    """The top-level names imported anywhere in a file, and of `mirage` the room behind it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (_room_of(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == PACKAGE:
                yield from (alias.name for alias in node.names)
            else:
                yield _room_of(node.module)


def _room_of(module: str) -> str:
    names = module.split(".")
    return names[1] if names[0] == PACKAGE and len(names) > 1 else names[0]


def only_defines(node: ast.stmt) -> bool:
    """Whether a statement of a module defines a name, imports, documents, or guards such."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assign() | ast.AnnAssign():
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.If(test=test):
            return ast.unparse(test) in ("TYPE_CHECKING", "__name__ == '__main__'")
        case ast.Try(body=[ast.ImportFrom()], handlers=[handler], orelse=[], finalbody=[]):
            return all(map(only_defines, handler.body))  # of what an extra brings
    return False


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = MAY_IMPORT[room] | sys.stdlib_module_names | {room}
    files = source_files(room)
    strangers = [
        f"{module_name(file)} imports {package}"
        for file in files
        for package in imported_packages(file)
        if package not in allowed
    ]
    assert files
    assert strangers == []


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_does_nothing_but_define(room: str, tmp_path: Path) -> None:
    """No output, file, thread or forbidden package; nor a look at settings: this port is none."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *map(module_name, source_files(room))],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{CLIENT}", "MIRAGE_PORT": "not a port"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert NEVER_LOADS[room].isdisjoint(map(_room_of, report["modules"]))
    assert report["threads"] == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [*ROOMS, "tests", "benchmarks"])
def test_a_package_has_one_name(folder: str) -> None:
    """Two names would make two modules of one file, and two classes of one class."""
    outside = [
        f"{module_name(file)}:{node.lineno}"
        for file in source_files(folder)
        for node in ast.walk(ast.parse(file.read_text()))
        if (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and node.module
            and node.module.split(".")[0] in ROOMS[:-1]
        )
        or (
            isinstance(node, ast.Import)
            and any(alias.name.split(".")[0] in ROOMS[:-1] for alias in node.names)
        )
    ]
    assert outside == []


@pytest.mark.parametrize("room", ROOMS)
def test_the_statements_of_a_module_are_definitions(room: str) -> None:
    working = [
        f"{module_name(file)}:{node.lineno} {ast.unparse(node).splitlines()[0]}"
        for file in source_files(room)
        for node in ast.parse(file.read_text()).body
        if not only_defines(node)
    ]
    assert working == []


def test_no_file_is_too_long() -> None:
    lines = {
        module_name(file): len(file.read_text().splitlines())
        for folder in (*ROOMS, "tests", "benchmarks")
        for file in source_files(folder)
    }
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}
