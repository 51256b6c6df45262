"""Models that enlarge pictures, and the application that serves them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.bundles import make_bundle
from tests.upscalers import ToyUpscaler, make_upscaler

Serving = Callable[..., TestClient]


@pytest.fixture(scope="session")
def upscalers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """larger (RGB, twice) 1 released, 2 not; grey and rgba; toy and plain are generators."""
    root = tmp_path_factory.mktemp("upscalers")
    make_upscaler(root)
    make_upscaler(root, toy=ToyUpscaler(seed=1))
    make_upscaler(root, "grey", ToyUpscaler(channels=1, scale=3))
    make_upscaler(root, "rgba", ToyUpscaler(channels=4))
    make_bundle(root, "toy")
    make_bundle(root, "plain", labels=(), channels=4)
    make_upscaler(root, "styled", ToyUpscaler(scale=1, task="translate", multiple=4))
    for name in ("larger", "grey", "rgba", "toy", "plain", "styled"):
        release(root, name, 1)
    return root


@pytest.fixture(scope="session")
def picture_settings(upscalers: Path) -> Settings:
    return Settings(models=upscalers, default_model="larger", threads=1, encode_threads=1, tile=64)


@pytest.fixture(scope="session")
def upscaler(picture_settings: Settings) -> Iterator[TestClient]:
    """A service whose default model is `larger`, in tiles of 64."""
    with TestClient(create_app(picture_settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def serving(picture_settings: Settings) -> Iterator[Serving]:
    """Clients of applications with other settings, each started and stopped."""
    clients: list[TestClient] = []

    def start(**changes: object) -> TestClient:
        app = create_app(picture_settings.model_copy(update=changes))
        clients.append(client := TestClient(app, raise_server_exceptions=False))
        return client.__enter__()

    yield start
    for client in clients:
        client.__exit__(None, None, None)
