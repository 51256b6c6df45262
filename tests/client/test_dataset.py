import io
from pathlib import Path

import pytest

from mirage.client import Client, Refused
from mirage.client.dataset import fill
from mirage.client.errors import BadAnswer
from mirage.client.progress import Progress
from mirage.client.resolve import DatasetOptions, resolve
from tests.client.servers import Answer, Proxy


class MemoryOutput:
    """An in-memory output."""

    record_path = Path("unused")

    def __init__(self, gaps: list[range]) -> None:
        self.gaps, self.images, self.state = gaps, dict[int, bytes](), "new"

    def occupied(self) -> bool:
        return bool(self.images)

    def check(self, record: object) -> None:
        pass

    def missing(self, record: object, count: int) -> list[range]:
        return self.gaps

    def add(self, index: int, png: bytes) -> None:
        self.images[index] = png

    def finish(self) -> None:
        self.state = "finished"

    def close(self) -> None:
        self.state += " and closed"


def test_generates_only_missing_images_with_the_right_labels(client: Client) -> None:
    record = resolve(client, DatasetOptions(seed=7, labels="4,5,6", truncation=0.5), None)
    shelf = MemoryOutput([range(1, 3), range(10, 30)])
    fill(client, record, shelf, 30, Progress(io.StringIO()))
    assert list(shelf.images) == [1, 2, *range(10, 30)]
    labels = [record.label(index) for index in range(10, 30)]
    expected = client.generate(20, seed=7, index=10, labels=labels, truncation=0.5)
    assert [shelf.images[image.index] for image in expected] == [image.png for image in expected]
    assert shelf.state == "finished and closed"


def test_sends_no_request_when_nothing_is_missing(client: Client, proxy: Proxy) -> None:
    record = resolve(client, DatasetOptions(), None)
    proxy.reset()
    fill(client, record, MemoryOutput([]), 30, Progress(io.StringIO()))
    assert proxy.requests == []


def test_closes_the_output_when_the_server_fails(client: Client, proxy: Proxy) -> None:
    record = resolve(client, DatasetOptions(), None)
    proxy.answers = [Answer(500)]
    shelf = MemoryOutput([range(5)])
    with pytest.raises(Refused):
        fill(client, record, shelf, 5, Progress(io.StringIO()))
    assert shelf.state == "new and closed"


def test_rejects_an_image_of_another_class(client: Client, proxy: Proxy) -> None:
    record = resolve(client, DatasetOptions(labels="3"), None)
    part = b"X-Seed: %d\r\nX-Index: 0\r\nX-Label: 4\r\n\r\n\x89PNG\r\n\x1a\n" % record.seed
    body = b"--edge\r\n" + part + b"\r\n--edge--\r\n"
    headers = {"content-type": "multipart/mixed; boundary=edge", "x-model": "toy@1"}
    proxy.answers = [Answer(200, headers, body)]
    with pytest.raises(BadAnswer, match="image 0 has label 4, not the requested one"):
        fill(client, record, MemoryOutput([range(1)]), 1, Progress(io.StringIO()))
