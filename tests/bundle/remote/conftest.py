from collections.abc import Iterator

import pytest

from tests.object_storage import Bucket, s3_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """One server for each module; each test takes a prefix of its own."""
    with s3_server() as running:
        yield running
