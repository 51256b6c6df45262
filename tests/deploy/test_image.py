"""The image: what the Dockerfile promises, and its health check against a real service."""

import re
import socket
import subprocess
import sys
from pathlib import Path

from mirage.bundle.store.release import release
from tests.bundles import make_bundle
from tests.service.helpers.server_process import serving
from tests.test_project import project

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
HEALTH = ROOT / "deploy/health.py"
SERVING = ("service", "service-openvino", "service-gpu")


def stages() -> dict[str, str]:
    """The text of each stage, by its name."""
    parts = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].split(" AS ")[1]: part for part in parts}


def health(port: int) -> int:
    """How the container's health check ends."""
    command = [sys.executable, "-IS", str(HEALTH)]
    return subprocess.run(command, env={"MIRAGE_PORT": str(port)}, timeout=60).returncode


def test_the_default_target_is_the_service() -> None:
    assert list(stages())[-1] == "service"


def test_the_label_names_the_projects_version() -> None:
    assert f"ARG VERSION={project()['version']}\n" in DOCKERFILE


def test_what_is_installed_is_pinned() -> None:
    installs = re.findall(r"^RUN .*\$PIP (.*)$", DOCKERFILE, re.MULTILINE)
    assert len(installs) == 4
    assert [line for line in installs if not re.match(r"-c constraints[\w-]*\.txt '", line)] == []


def test_no_container_runs_as_root_and_each_ends_by_its_first_process() -> None:
    found = stages()
    for stage in ("serving", "training"):
        assert "\nUSER 1000:1000\n" in found[stage]
        assert '\nENTRYPOINT ["python", "-m", "' in found[stage]
    assert all(found[stage].startswith("serving AS ") for stage in SERVING)


def test_the_code_comes_after_what_is_installed() -> None:
    for stage in SERVING:
        copies = re.findall(r"^COPY --from=(\S+)", stages()[stage], re.MULTILINE)
        assert copies[-1] == "code"


def test_no_torch_reaches_the_service() -> None:
    for stage in SERVING:
        assert "COPY --from=torch" not in stages()[stage]
    assert "training" not in stages()["code"]


def test_the_context_holds_all_that_is_copied() -> None:
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {source for line in copied for source in line.split()} == kept


def test_a_service_that_is_ready_is_healthy(tmp_path: Path) -> None:
    make_bundle(tmp_path, "toy")
    release(tmp_path, "toy", 1)
    with serving(tmp_path, "--drain-delay-s", "0") as process:
        assert health(process.port) == 0
        assert process.stop() == 0
        assert health(process.port) == 1


def test_one_that_hangs_up_is_not() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and does not listen
        assert health(listener.getsockname()[1]) == 1
