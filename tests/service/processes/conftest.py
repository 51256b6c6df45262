"""A server in a process of its own, which the tests of a module share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.helpers.server_process import Process, serving


@pytest.fixture(scope="module")
def process(models_root: Path) -> Iterator[Process]:
    with serving(models_root) as process:
        yield process
