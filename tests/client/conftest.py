"""Toy models, served on a real socket for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.bundle.store.release import release
from mirage.client import Client
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.bundles import make_bundle
from tests.client.servers import Proxy, serving
from tests.upscalers import make_upscaler


@pytest.fixture(scope="session")
def models_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy: ten classes, 1 released, 2 not; plain: no classes, RGBA; named: classes with names.

    larger enlarges RGB twice.
    """
    root = tmp_path_factory.mktemp("models")
    make_bundle(root, "toy")
    make_bundle(root, "toy", seed=1)
    make_bundle(root, "plain", labels=(), channels=4)
    make_bundle(root, "named", channels=3, labels=("3", "a, b", "cat"))
    make_bundle(root, "hostile", labels=("../cat", "dog"))
    make_upscaler(root)
    make_bundle(root, "unreleased")
    for name in ("toy", "plain", "named", "hostile", "larger"):
        release(root, name, 1)
    return root


@pytest.fixture(scope="session")
def served(models_root: Path) -> Iterator[tuple[str, Proxy]]:
    settings = Settings(
        models=models_root,
        default_model="toy",
        threads=1,
        encode_threads=1,
        images_per_request=20,
        tile=64,
    )
    proxy = Proxy(create_app(settings))
    with serving(proxy) as url:
        yield url, proxy


@pytest.fixture
def url(served: tuple[str, Proxy]) -> str:
    return served[0]


@pytest.fixture
def proxy(served: tuple[str, Proxy]) -> Proxy:
    """The proxy in proxy of the service, reset."""
    served[1].reset()
    return served[1]


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, page_size=8) as client:
        yield client
