"""Clients that others' tools generate of the OpenAPI document compile and call every operation.

The tools lie in `.clients`, where `.ci/run` installs them; without them the tests are skipped.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from mirage.bundle.store.release import release
from tests.bundles import make_bundle, reseal
from tests.service.helpers.server_process import Process, serving
from tests.upscalers import ToyUpscaler, make_upscaler

ROOT = Path(__file__).parents[4]
TOOLS = ROOT / ".clients"
PYTHON, PYTHON_GENERATOR = TOOLS / "bin" / "python", TOOLS / "bin" / "openapi-python-client"
NODE_MODULES = TOOLS / "node_modules"
CONFIG = ROOT / "docs" / "openapi-python-client.yaml"
HERE = Path(__file__).parent
PNG = "\x89PNG"
BINARY = {
    "generate": PNG,
    "interpolate": "PK\x03\x04",
    "upscale": PNG,
    "translate": PNG,
    "samples": PNG,
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    root = tmp_path_factory.mktemp("models")
    toy = make_bundle(root)
    Image.new("RGB", (6, 4), "red").save(toy / "samples.png")
    reseal(toy)
    make_upscaler(root)
    make_upscaler(root, "styled", ToyUpscaler(scale=1, task="translate", multiple=4))
    for name in ("toy", "larger", "styled"):
        release(root, name, 1)
    with serving(root) as process:
        yield process


@pytest.fixture(scope="module")
def document(process: Process, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(process.get("/openapi.json")[1])
    return path


def run(*command: object, cwd: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(cwd)}
    found = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.skipif(not PYTHON_GENERATOR.exists(), reason="no openapi-python-client in .clients")
def test_a_generated_python_client_calls_every_operation(
    process: Process, document: Path, tmp_path: Path
) -> None:
    package = tmp_path / "generated"
    options = ["--meta", "none", "--config", CONFIG, "--output-path", package]
    # --fail-on-warning: no operation, body or answer may be left out.
    run(
        PYTHON_GENERATOR,
        "generate",
        "--path",
        document,
        *options,
        "--fail-on-warning",
        cwd=tmp_path,
    )
    run(PYTHON, "-m", "compileall", "-q", package, cwd=tmp_path)
    called = json.loads(run(PYTHON, HERE / "calls.py", url(process), cwd=tmp_path))
    modules = {
        f"{file.parent.name}.{file.stem}"
        for file in (package / "api").glob("*/*.py")
        if file.stem != "__init__"
    }
    assert set(called) == modules
    for module, (status, kind, first) in called.items():
        name = module.rpartition(".")[2].removeprefix("get_")
        assert status == 200, module
        assert first == BINARY.get(name, first), module
        assert (kind == "File") is (name in BINARY), module
        assert kind != "NoneType", module


@pytest.mark.skipif(not NODE_MODULES.exists(), reason="no openapi-typescript in .clients")
def test_a_generated_typescript_client_calls_every_path(
    process: Process, document: Path, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "calls.ts").write_text((HERE / "calls.ts").read_text())
    tools = NODE_MODULES / ".bin"
    run(tools / "openapi-typescript", document, "-o", "schema.d.ts", cwd=tmp_path)
    modern = ["--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]
    run(tools / "tsc", "--strict", *modern, "calls.ts", cwd=tmp_path)
    called = json.loads(run("node", "calls.js", url(process), cwd=tmp_path))
    for path, (status, first) in called.items():
        assert status == 200, path
        name = path.rpartition("/")[2]
        expected = BINARY.get(name, "")
        assert bytes(first).decode("latin-1") == expected, path


def url(process: Process) -> str:
    return f"http://127.0.0.1:{process.port}"
