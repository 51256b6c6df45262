"""The client against the real service on a real socket."""

import json
import socket

import numpy as np
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage_client import BadAnswer, Client, Refused, Unreachable
from tests.bundles import Toy
from tests.client.servers import Answer, Front

TRY_NOW = {"retry-after": "0"}


def test_images_are_those_of_the_model(client: Client) -> None:
    images = client.generate(3, seed=7, labels=[3, "4", 5], index=2)
    latents, _ = draw_latents(7, 2, 3, 5)
    expected = Toy().images(latents, np.array([3, 4, 5]))
    assert np.array_equal(np.stack([image.array() for image in images]), expected)
    assert [(image.seed, image.index, image.label) for image in images] == [
        (7, 2, 3),
        (7, 3, 4),
        (7, 4, 5),
    ]
    assert {(image.model, image.version) for image in images} == {("toy", 1)}


def test_pages_make_the_same_images_as_one_request(client: Client, url: str) -> None:
    paged = client.generate(19, seed=7)
    with Client(url, page_size=19) as other:
        assert other.generate(19, seed=7) == paged
    assert [image.index for image in paged] == list(range(19))


def test_limits_of_the_server_make_pages_smaller(url: str, front: Front) -> None:
    with Client(url, page_size=50) as client:  # the server takes 20
        assert len(client.generate(50, seed=7)) == 50
    assert len(front.requests) == 1 + 2 + 4


def test_latents_are_paged_too(client: Client) -> None:
    latents, _ = draw_latents(7, 0, 10, 5)
    posted = client.generate(latents=latents, labels=list(range(10)))
    drawn = client.generate(10, seed=7, labels=list(range(10)))
    assert [image.png for image in posted] == [image.png for image in drawn]
    assert {image.seed for image in posted} == {None}


def test_options_reach_the_server(client: Client) -> None:
    plain = client.generate(seed=7, labels=3)[0]
    others = [
        client.generate(seed=7, labels=3, truncation=0.5)[0],
        client.generate(seed=7, labels=3, version=2)[0],
        client.generate(seed=7, labels="cat", model="named")[0],
    ]
    assert plain.png not in [image.png for image in others]
    assert [(image.model, image.version) for image in others] == [
        ("toy", 1),
        ("toy", 2),
        ("named", 1),
    ]


def test_requests_in_flight_are_several_but_bounded(url: str, front: Front) -> None:
    with Client(url, page_size=2, parallel=3) as client:
        stream = client.stream(100, seed=7)
        next(stream)
        front.wait_for(3)
        assert sum(1 for _ in stream) == 99
    assert front.most_running == 3


def test_a_stream_is_not_drawn_far_ahead(url: str, front: Front) -> None:
    with Client(url, page_size=1, parallel=2) as client:
        stream = client.stream(1000, seed=7)
        assert [next(stream).index for _ in range(5)] == [0, 1, 2, 3, 4]
        stream.close()  # type: ignore[attr-defined]
    assert len(front.requests) <= 5 + 3


def test_all_pages_are_of_the_version_that_made_the_first(url: str, front: Front) -> None:
    with Client(url, page_size=2) as client:
        client.generate(6, seed=7)
    bodies = [json.loads(asked.body) for asked in front.requests]
    assert [(body.get("model"), body.get("version")) for body in bodies] == [
        (None, None),
        ("toy", 1),
        ("toy", 1),
    ]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(client: Client, front: Front, status: int) -> None:
    expected = client.generate(20, seed=7)
    front.reset()
    front.answers = [Answer(status, TRY_NOW)] * 3
    assert client.generate(20, seed=7) == expected
    assert len(front.requests) == 3 + 3


def test_a_lost_connection_is_opened_again(client: Client, front: Front) -> None:
    front.answers = [Answer(200, lost=True)]
    assert len(client.generate(2)) == 2
    assert len(front.requests) == 2


def test_a_body_that_cannot_be_decoded_is_a_bad_answer(client: Client, front: Front) -> None:
    """As a proxy makes it that names an encoding which it has undone."""
    front.answers = [Answer(200, {"content-encoding": "gzip"}, b"{}")]
    with pytest.raises(BadAnswer, match="GET /models failed"):
        client.models()


def test_patience_ends(url: str, front: Front) -> None:
    front.answers = [Answer(503, {"retry-after": "1"})]
    with Client(url, patience_s=0.5) as client, pytest.raises(Refused) as caught:
        client.generate()
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)


def test_a_refusal_of_a_later_page_is_raised(client: Client, front: Front) -> None:
    stream = client.stream(64, seed=7)
    assert next(stream).index == 0
    front.answers = [Answer(500)]
    with pytest.raises(Refused, match="500"):
        list(stream)


def test_a_refusal_tells_the_field(client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.generate(labels=77)
    assert (caught.value.status, caught.value.slug) == (422, "invalid-value")
    assert caught.value.errors[0]["loc"] == ["labels"]
    assert "label is 77" in caught.value.detail


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        with Client(url, patience_s=0) as client:
            with pytest.raises(Unreachable, match="POST /generate failed"):
                client.generate()
            with pytest.raises(Unreachable, match="GET /models failed"):
                client.models()


def test_the_key_is_sent_with_every_request(url: str, front: Front) -> None:
    with Client(url, api_key="secret") as client:
        client.models()
        client.generate()
    assert [asked.headers["authorization"] for asked in front.requests] == ["Bearer secret"] * 2


def test_models_are_listed_and_described(client: Client) -> None:
    models = {model.name: model for model in client.models()}
    assert models["toy"].default
    assert (models["toy"].released, models["toy"].versions) == (1, (1, 2))
    assert models["unreleased"].released is None
    detail = client.model("named")
    version = detail.version(1)
    assert version is not None
    assert version.labels == ("3", "a, b", "cat")
    assert (version.height, version.width, version.channels, version.latent_dim) == (8, 12, 3, 5)
    assert detail.version(9) is None
    assert detail.runtime["provider"] == "cpu"


@pytest.mark.parametrize("name", ["gone", "../models/toy", "a b?c#d"])
def test_a_model_that_is_not_there_is_refused(client: Client, name: str) -> None:
    with pytest.raises(Refused) as caught:
        client.model(name)
    assert caught.value.status == 404
