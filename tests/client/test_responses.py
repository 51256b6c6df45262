import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from mirage.client.errors import BadAnswer
from mirage.client.generate_call import make_call
from mirage.client.responses import read_files, read_model, read_models, read_problem

PNG = b"\x89PNG\r\n\x1a\n...\r\n--other\r\n\r\n..."
CALL = make_call(2, {"seed": 7, "index": 5})


def multipart(*parts: bytes, **headers: str) -> httpx.Response:
    body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts) + b"--edge--\r\n"
    given = {"content-type": "multipart/mixed; boundary=edge", "x-model": "toy@3"} | headers
    return httpx.Response(200, headers=given, content=body)


def part(index: int, *, seed: str = "X-Seed: 7\r\n", png: bytes = PNG) -> bytes:
    head = f"Content-Type: image/png\r\n{seed}X-Index: {index}\r\nX-Label: 4\r\n\r\n"
    return head.encode() + png


def test_images_have_the_parameters_that_reproduce_them() -> None:
    first, second = read_files(multipart(part(5), part(6)), CALL)
    assert (first.seed, first.index, first.label) == (7, 5, 4)
    assert (first.model, first.version) == ("toy", 3)
    assert (second.index, second.data) == (6, PNG)


def test_images_of_latents_have_no_seed() -> None:
    call = make_call(None, {"latents": [[0.0]]})
    (image,) = read_files(multipart(part(0, seed="")), call)
    assert image.seed is None


@pytest.mark.parametrize(
    "response",
    [
        multipart(part(5)),
        multipart(part(6), part(5)),
        multipart(part(5), part(6, seed="X-Seed: 8\r\n")),
        multipart(part(5), part(6, png=b"GIF89a")),
        multipart(part(5), b"no headers"),
        multipart(part(5), part(6), **{"x-model": "toy"}),
        multipart(part(5), part(6), **{"content-type": "image/png"}),
        multipart(part(5), part(6), **{"content-type": "multipart/mixed; boundary=cut"}),
        httpx.Response(200, headers={"content-type": "multipart/mixed; boundary=edge"}),
    ],
    ids=["few", "order", "seed", "gif", "headless", "model", "type", "boundary", "empty"],
)
def test_rejects_other_images_than_requested(response: httpx.Response) -> None:
    with pytest.raises(BadAnswer):
        read_files(response, CALL)


def test_rejects_a_truncated_response() -> None:
    whole = multipart(part(5), part(6))
    for size in range(len(whole.content) - 3):
        cut = httpx.Response(200, headers=whole.headers, content=whole.content[:size])
        with pytest.raises(BadAnswer):
            read_files(cut, CALL)


def test_parses_problem_details() -> None:
    problem = {
        "type": "urn:mirage:invalid-value",
        "title": "A value is not allowed",
        "detail": "count is 0; at least 1 is allowed",
        "errors": [{"loc": ["count"], "msg": "count is 0"}],
    }
    headers = {"content-type": "application/problem+json"}
    refusal = read_problem(httpx.Response(422, headers=headers, json=problem))
    assert (refusal.status, refusal.type) == (422, "urn:mirage:invalid-value")
    assert (refusal.slug, refusal.title) == ("invalid-value", "A value is not allowed")
    assert refusal.detail == "count is 0; at least 1 is allowed"
    assert refusal.errors == [{"loc": ["count"], "msg": "count is 0"}]
    assert str(refusal) == "422 A value is not allowed: count is 0; at least 1 is allowed"


@pytest.mark.parametrize("value", [None, 3, "text", {}, [None], True])
def test_ignores_problem_members_of_other_types(value: Any) -> None:
    headers = {"content-type": "Application/Problem+JSON; charset=utf-8"}
    problem = {"type": value, "title": value, "detail": value, "errors": value, "status": value}
    refusal = read_problem(httpx.Response(502, headers=headers, json=problem))
    words = [value] * 3 if isinstance(value, str) else ["about:blank", "Bad Gateway", ""]
    assert [refusal.type, refusal.title, refusal.detail] == words
    assert refusal.errors == []
    assert refusal.slug


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<h1>Bad Gateway</h1>"),
        ("application/problem+json", b"["),
        ("application/problem+json", b"[]"),
        ("application/problem+json", b"[" * 100_000),
        ("application/problem+json", b'"\xff"'),
    ],
)
def test_parses_errors_of_proxies(content_type: str, body: bytes) -> None:
    headers = {"content-type": content_type}
    refusal = read_problem(httpx.Response(502, headers=headers, content=body))
    assert (refusal.type, refusal.title, str(refusal)) == (
        "about:blank",
        "Bad Gateway",
        "502 Bad Gateway",
    )


@pytest.mark.parametrize(
    ("header", "expected"), [("3", 3.0), (" 0 ", 0.0), ("-1", None), ("soon", None), ("", None)]
)
def test_parses_retry_after_in_seconds(header: str, expected: float | None) -> None:
    response = httpx.Response(429, headers={"retry-after": header})
    assert read_problem(response).retry_after_s == expected


def test_parses_retry_after_as_a_date() -> None:
    for days, least_s, most_s in ((1, 86_000, 86_400), (-1, 0, 0)):
        date = format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True)
        told_s = read_problem(httpx.Response(429, headers={"retry-after": date})).retry_after_s
        assert told_s is not None
        assert least_s <= told_s <= most_s


@pytest.mark.parametrize("piece", ["1", " ", "Mon, ", ":", "(", "-", "1:", "9" * 400 + " "])
def test_parses_a_long_retry_after_quickly(piece: str) -> None:
    started = time.process_time()
    headers = {"retry-after": piece * (60_000 // len(piece)) + "!"}
    assert read_problem(httpx.Response(429, headers=headers)).retry_after_s is None
    assert time.process_time() - started < 0.25


@pytest.mark.parametrize("piece", [" ", "boundary=", '"', "; boundary=a", "multipart/mixed;"])
def test_parses_a_long_content_type_quickly(piece: str) -> None:
    media = "multipart/mixed;" + piece * (60_000 // len(piece))
    started = time.process_time()
    with pytest.raises(BadAnswer):
        read_files(multipart(part(5), part(6), **{"content-type": media + ";"}), CALL)
    assert time.process_time() - started < 0.25


SUMMARY = {"name": "toy", "released": None, "versions": [1], "default": False}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"models": None},
        {"models": [None]},
        {"models": 1},
        {"models": [{}]},
        {"models": [SUMMARY | {"versions": "x"}]},
    ],
)
def test_rejects_an_invalid_list_of_models(body: Any) -> None:
    with pytest.raises(BadAnswer):
        read_models(httpx.Response(200, json=body))


@pytest.mark.parametrize("released", ["1e400", "-Infinity", "NaN", "9" * 5000, "[" * 100_000])
def test_rejects_json_that_is_no_version(released: str) -> None:
    body = (
        f'{{"models": [{{"name": "toy", "released": {released}, "versions": [], "default": 1}}]}}'
    )
    with pytest.raises(BadAnswer):
        read_models(httpx.Response(200, text=body))


@pytest.mark.parametrize(
    "more", [{}, {"runtime": [], "loaded": []}, {"runtime": {}, "loaded": [{"version": 1}]}]
)
def test_rejects_an_invalid_model(more: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        read_model(httpx.Response(200, json=SUMMARY | more))


def test_reads_null_as_an_empty_list() -> None:
    item = SUMMARY | {"versions": None, "default": None}
    (model,) = read_models(httpx.Response(200, json={"models": [item]}))
    assert (model.versions, model.default) == ((), False)
    image = {"height": 2, "width": 2, "channels": 1}
    version = {"version": 1, "sha256": "", "latent_dim": 5, "labels": None, "image": image}
    for loaded, found in ((None, 0), ([version], 1)):
        more = {"runtime": None, "loaded": loaded}
        detail = read_model(httpx.Response(200, json=SUMMARY | more))
        assert (detail.runtime, len(detail.loaded)) == ({}, found)


def test_ignores_unknown_fields() -> None:
    (model,) = read_models(httpx.Response(200, json={"models": [SUMMARY | {"more": 1}], "x": 1}))
    assert (model.name, model.released, model.versions) == ("toy", None, (1,))
