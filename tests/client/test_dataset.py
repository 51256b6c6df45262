import io
from pathlib import Path

import pytest

from mirage_client import Client, Refused
from mirage_client.dataset import fill
from mirage_client.errors import BadAnswer
from mirage_client.progress import Progress
from mirage_client.settle import Wish, settle
from tests.client.servers import Answer, Front


class Shelf:
    """An output in memory."""

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


def test_only_gaps_are_drawn_and_with_the_labels_of_their_indices(client: Client) -> None:
    record = settle(client, Wish(seed=7, labels="4,5,6", truncation=0.5), None)
    shelf = Shelf([range(1, 3), range(10, 30)])
    fill(client, record, shelf, 30, Progress(io.StringIO()))
    assert list(shelf.images) == [1, 2, *range(10, 30)]
    labels = [record.label(index) for index in range(10, 30)]
    expected = client.generate(20, seed=7, index=10, labels=labels, truncation=0.5)
    assert [shelf.images[image.index] for image in expected] == [image.png for image in expected]
    assert shelf.state == "finished and closed"


def test_nothing_is_asked_when_nothing_is_missing(client: Client, front: Front) -> None:
    record = settle(client, Wish(), None)
    front.reset()
    fill(client, record, Shelf([]), 30, Progress(io.StringIO()))
    assert front.requests == []


def test_the_output_is_closed_when_the_server_fails(client: Client, front: Front) -> None:
    record = settle(client, Wish(), None)
    front.answers = [Answer(500)]
    shelf = Shelf([range(5)])
    with pytest.raises(Refused):
        fill(client, record, shelf, 5, Progress(io.StringIO()))
    assert shelf.state == "new and closed"


def test_an_image_of_another_class_is_refused(client: Client, front: Front) -> None:
    record = settle(client, Wish(labels="3"), None)
    part = b"X-Seed: %d\r\nX-Index: 0\r\nX-Label: 4\r\n\r\n\x89PNG\r\n\x1a\n" % record.seed
    body = b"--edge\r\n" + part + b"\r\n--edge--\r\n"
    headers = {"content-type": "multipart/mixed; boundary=edge", "x-model": "toy@1"}
    front.answers = [Answer(200, headers, body)]
    with pytest.raises(BadAnswer, match="image 0 has label 4, not the one asked for"):
        fill(client, record, Shelf([range(1)]), 1, Progress(io.StringIO()))
