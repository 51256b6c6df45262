from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import Hub, hub_server


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with an empty repository."""
    with hub_server(tmp_path / "home") as running:
        yield running
