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
CLIENT = ROOT / "client" / "mirage_http"  # also a distribution of its own
PACKAGE = "mirage"  # what code imports; it holds links to the rooms, and the command
ROOMS = ("bundle", "training", "service", "client", "mirage")
MAX_LINES = 350

MAY_IMPORT = {
    "bundle": {"numpy", "obstore", "onnx", "pydantic"},
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
    "client": {"httpx", "numpy", "PIL"},
    "mirage": {"commands", "shtab"},
}
# Files that may import more, when their functions are called.
EXCEPTIONS = {
    "mirage.client.bulk.bucket": {"bundle"},
    "mirage.client.bulk.parquet_shards": {"pyarrow"},
    "mirage.client.local": {"service"},
    "mirage.client.pictures.local": {"service"},
    "mirage.bundle.remote.hub.faults": {"httpx2", "huggingface_hub"},  # an extra
    "mirage.bundle.remote.hub.push": {"huggingface_hub"},
    "mirage.bundle.remote.hub.repository": {"httpx2", "huggingface_hub"},
    "mirage.bundle.__main__": {"service"},  # for `import`, which runs a graph
    "mirage.service.media.sounds": {"soundfile"},  # an extra
    "mirage.service.sharing.redis_buckets": {"redis"},  # an extra
    "mirage.training.data.sources.sounds": {"soundfile"},  # an extra
    "mirage.training.runs.mlflow_recorder": {"mlflow"},  # an extra
    "mirage.training.sweep": {"optuna"},  # an extra
}
# What must stay out of the process even when a dependency would bring it in.
NEVER_LOADS = {
    "bundle": {
        "fastapi",
        "huggingface_hub",
        "obstore",
        "onnxruntime",
        "service",
        "torch",
        "training",
    },
    "training": {"fastapi", "service"},
    "service": {"obstore", "redis", "torch", "training"},
    "client": {"bundle", "fastapi", "numpy", "pyarrow", "service", "torch", "training"},
    "mirage": {"bundle", "client", "fastapi", "numpy", "service", "torch", "training"},
}

PROBE = """
import importlib, json, sys, threading
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps({"modules": sorted(sys.modules), "threads": threading.active_count()}))
"""


def source_files(folder: str) -> list[Path]:
    if folder == PACKAGE:
        return sorted((ROOT / PACKAGE).glob("*.py"))
    return sorted((CLIENT if folder == "client" else ROOT / folder).rglob("*.py"))


def module_name(file: Path) -> str:
    if CLIENT in file.parents:
        parts = ("client", *file.relative_to(CLIENT).with_suffix("").parts)
    else:
        parts = file.relative_to(ROOT).with_suffix("").parts
    inside = parts[0] in ROOMS and parts[0] != PACKAGE
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
        if package not in allowed | EXCEPTIONS.get(module_name(file), set())
    ]
    assert files
    assert strangers == []


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_does_nothing_but_define(room: str, tmp_path: Path) -> None:
    """No output, file, thread or forbidden package; nor a look at settings: this port is none."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *map(module_name, source_files(room))],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MIRAGE_PORT": "not a port"},
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


PRIVATE_ALLOWED = {"mirage.service.processes.http_protocol"}
"""What subclasses uvicorn's protocol, for bounds that it has no public way to set."""


def private_names(file: Path) -> Iterator[str]:
    """What a file imports of other packages that begins with an underscore, or is uvicorn's own."""
    own = {PACKAGE, "tests", "benchmarks"}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for path in paths:
            first, *others = path.split(".")
            if first in own | {"__future__"}:
                continue
            if any(part.startswith("_") for part in others) or "uvicorn.protocols" in path:
                yield f"{module_name(file)}:{node.lineno} {path}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_private_name_of_another_package_is_imported(room: str) -> None:
    found = [
        name
        for file in source_files(room)
        if module_name(file) not in PRIVATE_ALLOWED
        for name in private_names(file)
    ]
    assert found == []


LADDERS = {  # inside a room, from the bottom: a rung imports from rungs below it and from itself
    "bundle": ({"errors"}, {"format"}, {"store"}, {"remote"}, {"direction_command"}, {"__main__"}),
    "service": (
        *({"errors"}, {"settings"}, {"host"}, {"sharing", "media"}, {"telemetry"}, {"tasks"}),
        *({"batching"}, {"engines"}, {"versions"}, {"api", "drawing", "importing"}),
        *({"app"}, {"processes"}, {"__main__"}),
    ),
    "training": (
        {"errors", "cache_folder", "extras", "lengths", "limits"},
        *({"media"}, {"data"}, {"networks"}),
        *(
            {"optim"},
            {"sequence_presets"},
            {"presets", "stretch"},
            {"auto"},
            {"recipe"},
            {"config"},
            {"tasks"},
        ),
        *(
            {"runs"},
            {"pretrained"},
            {"evaluation"},
            {"publish"},
            {"inversion"},
            {"report"},
            {"dashboard"},
            {"retrain", "sweep"},
        ),
        *({"cli"}, {"__main__"}),
    ),
}
SIBLINGS = {"training": {"data", "networks", "optim"}, "service": {"api", "drawing", "importing"}}
"""Rungs that do not import each other, whatever their order."""


def imported_modules(file: Path) -> set[str]:
    """The modules of this project that a file imports, but for types alone, with `mirage`."""
    found = set()
    for node in _imports(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if _is_module(inner) else node.module)
    return {name for name in found if name.startswith(f"{PACKAGE}.")}


def _imports(node: ast.AST) -> Iterator[ast.AST]:
    """What runs; `if TYPE_CHECKING` does not."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _imports(child)


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("room", LADDERS)
def test_no_import_points_up(room: str) -> None:
    height = {name: step for step, names in enumerate(LADDERS[room]) for name in names}
    siblings = SIBLINGS.get(room, set())
    upward = [
        f"{module_name(file)} imports {module}"
        for file in source_files(room)
        if (here := file.relative_to(ROOT / room).parts[0].removesuffix(".py")) != "__init__"
        for module in imported_modules(file)
        if module.startswith(f"{PACKAGE}.{room}.")
        and (there := module.split(".")[2]) != here
        and (height[there] >= height[here] or {here, there} <= siblings)
    ]
    assert upward == []


@pytest.mark.parametrize("room", LADDERS)
def test_no_files_import_each_other_in_a_circle(room: str) -> None:
    imports = {module_name(file): imported_modules(file) for file in source_files(room)}
    while free := {name for name, needs in imports.items() if not needs & imports.keys() - {name}}:
        imports = {name: needs for name, needs in imports.items() if name not in free}
    assert imports == {}


def test_no_file_is_too_long() -> None:
    lines = {
        module_name(file): len(file.read_text().splitlines())
        for folder in (*ROOMS, "tests", "benchmarks")
        for file in source_files(folder)
    }
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}
