"""A service of models that make no images."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mirage.bundle.format.manifest import Member
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.bundles import make_bundle
from tests.generators import ToySequences, ToySounds, publish_generator

SPEECH, DNA, WORDS = ToySounds(), ToySequences(), ToySequences(alphabet="_ab cé", padding="_")


@pytest.fixture(scope="package")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """speech (3 is an ensemble of 1 and 2), dna, words with padding; toy makes images."""
    root = tmp_path_factory.mktemp("models")
    publish_generator(root, SPEECH, "speech")
    publish_generator(root, ToySounds(seed=1), "speech")
    publish_ensemble(root, "speech", [Member(version=v, weight=1.0) for v in (1, 2)])
    publish_generator(root, DNA, "dna")
    publish_generator(root, WORDS, "words")
    make_bundle(root, "toy")
    for name in ("speech", "dna", "words", "toy"):
        release(root, name, 1)
    return root


@pytest.fixture(scope="package")
def client(root: Path) -> Iterator[TestClient]:
    settings = Settings(models=root, default_model="toy", threads=1, encode_threads=1)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client
