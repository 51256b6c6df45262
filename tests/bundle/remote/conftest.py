from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.remote.objects import open_objects
from tests.bundles import make_bundle
from tests.object_storage import Bucket, s3_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """One server for each module; each test takes a prefix of its own."""
    with s3_server() as running:
        yield running


@pytest.fixture
def remote(bucket: Bucket) -> RemoteModels:
    """No models, at a URL of their own."""
    return RemoteModels(open_objects(bucket.url(), retries=0))


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with versions 1 … 3 of a toy, which tests only read."""
    root = tmp_path_factory.mktemp("models")
    for seed in range(3):
        make_bundle(root, seed=seed)
    return root
