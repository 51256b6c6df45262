"""HAProxy's configuration: HAProxy itself reads it, and it fits the service and compose."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mirage.service.api.problems import URN
from mirage.service.errors import NotReady

CONFIGURATION = Path(__file__).parents[2] / "deploy/haproxy/haproxy.cfg"
TEXT = CONFIGURATION.read_text()


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_haproxy_takes_it() -> None:
    command = ["haproxy", "-c", "-f", str(CONFIGURATION)]
    environment = {**os.environ, "SERVER_TIMEOUT": "60s"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_its_own_errors_are_problems_as_those_of_the_service() -> None:
    problems = {
        int(status): json.loads(text)
        for status, text in re.findall(r"http-error status (\d+) .* string '(.*?)'", TEXT)
    }
    assert problems.keys() == {502, 503, 504}
    assert all(problem["status"] == status for status, problem in problems.items())
    assert problems[503]["type"] == URN + NotReady.slug
    assert problems[503]["title"] == NotReady.title


def test_it_asks_another_replica_only_when_no_answer_has_begun() -> None:
    (retried,) = re.findall(r"^\s*retry-on (.*)$", TEXT, re.MULTILINE)
    assert retried.split() == ["conn-failure", "empty-response", "503"]
