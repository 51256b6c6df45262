"""Toy models on disk, and the application in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client import values
from starlette.testclient import TestClient

from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from mirage.service.telemetry.aggregation import DIRECTORY_VARIABLE, SharedMetrics
from tests.bundles import make_bundle

ClientOf = Callable[..., TestClient]
JoinWorker = Callable[[int], SharedMetrics]


@pytest.fixture(scope="session")
def models_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy: conditional and grey, 1 released, 2 not; plain: unconditional RGBA; rgb: unreleased."""
    root = tmp_path_factory.mktemp("models")
    make_bundle(root, "toy")
    make_bundle(root, "toy", seed=1)
    make_bundle(root, "plain", labels=(), channels=4)
    make_bundle(root, "rgb", channels=3, labels=("3", "cat", "a b"))
    release(root, "toy", 1)
    release(root, "plain", 1)
    return root


@pytest.fixture(scope="session")
def settings(models_root: Path) -> Settings:
    return Settings(models=models_root, default_model="toy", threads=1, encode_threads=1)


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client_of(settings: Settings) -> Iterator[ClientOf]:
    """Clients of applications with other settings, each started and stopped."""
    clients: list[TestClient] = []

    def start(**changes: object) -> TestClient:
        other = create_app(settings.model_copy(update=changes))
        client = TestClient(other, raise_server_exceptions=False)
        clients.append(client)
        return client.__enter__()

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JoinWorker:
    """Lets metrics that are made from now on count as those of worker 0 or 1 of two."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv(DIRECTORY_VARIABLE, "")  # both are as before in the end
    shared = SharedMetrics(tmp_path, 2)
    shared.allocate()

    def join(number: int) -> SharedMetrics:
        assert shared.join(number)
        return shared

    return join
