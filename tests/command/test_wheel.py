"""A wheel of the project serves a folder of models from an environment without the checkout."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from mirage.bundle.store.release import release
from tests.bundles import make_bundle

ROOT = Path(__file__).parents[2]
PARTS = ("pyproject.toml", "README.md", "LICENSE", "mirage", "bundle", "client", "service")
READY = re.compile(r"ready host=\S+ port=(\d+)")
# Commands of this environment's pip that take no package from an index.
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--no-input")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because setuptools leaves its files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in (*PARTS, "training"):
        path, target = ROOT / name, source / name
        if path.is_dir():
            shutil.copytree(path, target, symlinks=True, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy(path, target)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder)]
    subprocess.run([*PIP, *build, str(source)], check=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel, which borrows the other packages of this one.

    Paths in a .pth file do not have their own .pth files read, so the checkout is not among them.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    borrowed |= {path for path in sys.path if path.endswith("site-packages")}
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)))
    install = ["install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run([*PIP[:3], "--python", str(python), *PIP[3:], *install], check=True)
    return python.parent


def clean_environment() -> dict[str, str]:
    """The variables of this process, but for settings and what could lead to the checkout."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MIRAGE_") and name != "PYTHONPATH"
    }


@contextmanager
def serving(environment: Path, models: Path, cwd: Path) -> Iterator[tuple[int, list[str]]]:
    """A server of the installed command: its port, and its log until it is ready."""
    command = [str(environment / "mirage"), "serve", "--models", str(models), "--port", "0"]
    flags = ["--workers", "1", "--drain-delay-s", "0"]
    with subprocess.Popen(
        [*command, *flags], cwd=cwd, env=clean_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        log: list[str] = []
        try:
            assert process.stderr is not None
            for line in process.stderr:
                log.append(line)
                if found := READY.search(line):
                    break
            else:
                raise AssertionError("".join(log))
            yield int(found[1]), log
        finally:
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
    assert process.returncode == 0


def test_it_installs_one_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"mirage", f"mirage_gan-{version('mirage-gan')}.dist-info"}
    for name in ("client/__init__.py", "service/static/index.html", "bundle/__main__.py"):
        assert f"mirage/{name}" in names
    assert not [name for name in names if name.endswith(".onnx")]


def test_it_serves_a_folder_of_models(environment: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    make_bundle(models, "toy")
    release(models, "toy", 1)
    with serving(environment, models, tmp_path) as (port, _):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            headers = {"content-type": "application/json"}
            connection.request("POST", "/generate", b'{"seed": 7}', headers)
            response = connection.getresponse()
            assert (response.status, response.read()[:4]) == (200, b"\x89PNG")
        url = f"http://127.0.0.1:{port}"
        arguments = ["generate", "--url", url, "--count", "3", "-o", str(tmp_path / "made")]
        subprocess.run(
            [str(environment / "mirage"), *arguments], check=True, env=clean_environment()
        )
    assert len(list((tmp_path / "made").glob("*.png"))) == 3


def test_it_says_how_to_get_a_model(environment: Path, tmp_path: Path) -> None:
    with serving(environment, tmp_path, tmp_path) as (_, log):
        (line,) = [line for line in log if "no model is released in" in line]
        assert "mirage export RUN" in line


def test_it_does_not_need_the_checkout(environment: Path, tmp_path: Path) -> None:
    program = "import mirage.service; print(mirage.service.__file__)"
    found = subprocess.run(
        [str(environment / "python"), "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment(),
    ).stdout
    assert Path(found).is_relative_to(environment.parent)
