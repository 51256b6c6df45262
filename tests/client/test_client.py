"""The client against the real service on a real socket."""

import json
import socket
from concurrent.futures import CancelledError, ThreadPoolExecutor

import numpy as np
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.client import BadAnswer, Client, Refused, Unreachable
from tests.bundles import Toy
from tests.client.servers import Answer, Proxy

TRY_NOW = {"retry-after": "0"}


def test_returns_the_images_of_the_model(client: Client) -> None:
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


def test_pages_give_the_same_images_as_one_request(client: Client, url: str) -> None:
    paged = client.generate(19, seed=7)
    with Client(url, page_size=19) as other:
        assert other.generate(19, seed=7) == paged
    assert [image.index for image in paged] == list(range(19))


def test_splits_pages_that_exceed_the_limits_of_the_server(url: str, proxy: Proxy) -> None:
    with Client(url, page_size=50) as client:  # the server allows 20
        assert len(client.generate(50, seed=7)) == 50
    assert len(proxy.requests) == 1 + 2 + 4


def test_pages_latents(client: Client) -> None:
    latents, _ = draw_latents(7, 0, 10, 5)
    posted = client.generate(latents=latents, labels=list(range(10)))
    drawn = client.generate(10, seed=7, labels=list(range(10)))
    assert [image.png for image in posted] == [image.png for image in drawn]
    assert {image.seed for image in posted} == {None}


def test_moves_all_images_along_directions(client: Client) -> None:
    latents, _ = draw_latents(7, 0, 10, client.model("plain").loaded[0].latent_dim)
    latents[:, 0] += 2
    moved = client.generate(10, seed=7, model="plain", directions={"0": 2})
    expected = client.generate(latents=latents, model="plain")
    assert [image.png for image in moved] == [image.png for image in expected]
    with pytest.raises(Refused, match="direction"):
        client.generate(model="plain", directions={"smile": 1})


def test_sends_all_options(client: Client) -> None:
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


def test_bounds_concurrent_requests(url: str, proxy: Proxy) -> None:
    with Client(url, page_size=2, parallel=3) as client:
        stream = client.stream(100, seed=7)
        next(stream)
        proxy.wait_for(3)
        assert sum(1 for _ in stream) == 99
    assert proxy.most_running == 3


def test_a_stream_requests_only_a_few_pages_ahead(url: str, proxy: Proxy) -> None:
    with Client(url, page_size=1, parallel=2) as client:
        stream = client.stream(1000, seed=7)
        assert [next(stream).index for _ in range(5)] == [0, 1, 2, 3, 4]
        stream.close()  # type: ignore[attr-defined]
    assert len(proxy.requests) <= 5 + 3


def test_cancel_ends_a_stream_whose_pages_wait_to_be_retried(url: str, proxy: Proxy) -> None:
    with Client(url, page_size=1, parallel=2) as client, ThreadPoolExecutor(1) as reader:
        stream = client.stream(1000, seed=7)
        next(stream)
        proxy.answers = [Answer(503, {"retry-after": "20"})] * 9
        waiting = reader.submit(next, stream)
        client.cancel()
        with pytest.raises(CancelledError):
            waiting.result(timeout=10)


def test_all_pages_use_the_version_of_the_first(url: str, proxy: Proxy) -> None:
    with Client(url, page_size=2) as client:
        client.generate(6, seed=7)
    bodies = [json.loads(asked.body) for asked in proxy.requests]
    assert [(body.get("model"), body.get("version")) for body in bodies] == [
        (None, None),
        ("toy", 1),
        ("toy", 1),
    ]


@pytest.mark.parametrize("status", [429, 503])
def test_retries_while_the_server_is_busy(client: Client, proxy: Proxy, status: int) -> None:
    expected = client.generate(20, seed=7)
    proxy.reset()
    proxy.answers = [Answer(status, TRY_NOW)] * 3
    assert client.generate(20, seed=7) == expected
    assert len(proxy.requests) == 3 + 3


def test_reconnects_after_a_lost_connection(client: Client, proxy: Proxy) -> None:
    proxy.answers = [Answer(200, lost=True)]
    assert len(client.generate(2)) == 2
    assert len(proxy.requests) == 2


def test_raises_bad_answer_for_an_undecodable_body(client: Client, proxy: Proxy) -> None:
    """Some proxies decode a body and keep its Content-Encoding."""
    proxy.answers = [Answer(200, {"content-encoding": "gzip"}, b"{}")]
    with pytest.raises(BadAnswer, match="GET /models failed"):
        client.models()


def test_retries_end_after_patience_s(url: str, proxy: Proxy) -> None:
    proxy.answers = [Answer(503, {"retry-after": "1"})]
    with Client(url, patience_s=0.5) as client, pytest.raises(Refused) as caught:
        client.generate()
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)


def test_raises_the_error_of_a_later_page(client: Client, proxy: Proxy) -> None:
    stream = client.stream(64, seed=7)
    assert next(stream).index == 0
    proxy.answers = [Answer(500)]
    with pytest.raises(Refused, match="500"):
        list(stream)


def test_an_error_names_the_field(client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.generate(labels=77)
    assert (caught.value.status, caught.value.slug) == (422, "invalid-value")
    assert caught.value.errors[0]["loc"] == ["labels"]
    assert "label is 77" in caught.value.detail


def test_raises_unreachable_without_a_server() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        with Client(url, patience_s=0) as client:
            with pytest.raises(Unreachable, match="POST /generate failed"):
                client.generate()
            with pytest.raises(Unreachable, match="GET /models failed"):
                client.models()


def test_sends_the_key_with_every_request(url: str, proxy: Proxy) -> None:
    with Client(url, api_key="secret") as client:
        client.models()
        client.generate()
    assert [asked.headers["authorization"] for asked in proxy.requests] == ["Bearer secret"] * 2


def test_lists_and_describes_models(client: Client) -> None:
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
def test_raises_refused_for_a_missing_model(client: Client, name: str) -> None:
    with pytest.raises(Refused) as caught:
        client.model(name)
    assert caught.value.status == 404
