"""Errors as RFC 9457 problems, and answers to other methods."""

import json

import pytest
from starlette.testclient import TestClient

from mirage.service.api.problems import problem_response
from mirage.service.errors import PROBLEMS, InvalidValue, Overloaded, ServiceError
from tests.service.helpers.requests import problem


@pytest.mark.parametrize("kind", PROBLEMS)
def test_every_error_is_a_problem(kind: type[ServiceError]) -> None:
    response = problem_response(kind("what is wrong"))
    assert response.status_code == kind.status
    assert response.media_type == "application/problem+json"
    assert json.loads(bytes(response.body)) == {
        "type": f"urn:mirage:{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": "what is wrong",
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (2.1, "3")])
def test_retry_after_is_in_whole_seconds_and_at_least_one(seconds: float, header: str) -> None:
    assert problem_response(Overloaded("", retry_after_s=seconds)).headers["retry-after"] == header


def test_bad_fields_are_listed() -> None:
    told = json.loads(bytes(problem_response(InvalidValue.of("seed", "seed is -1")).body))
    assert told["errors"] == [{"loc": ["seed"], "msg": "seed is -1"}]


def test_head_and_options_are_answered(client: TestClient) -> None:
    head, get = client.head("/models"), client.get("/models")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    options = client.options("/generate")
    assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")
    assert client.options("/models").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.head("/generate").status_code == 405


def test_an_unknown_path_is_shown_with_its_control_characters(client: TestClient) -> None:
    response = client.get("/healthz%0d%0a")
    assert response.status_code == 404
    assert response.json()["detail"] == r"'/healthz\r\n' is no path of this service"


def test_an_unknown_fault_is_a_fixed_text_that_ends_the_connection(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret in /tmp")

    monkeypatch.setattr("mirage.service.api.models.list_known", fail)
    response = client.get("/models")
    assert "log" in problem(response, 500, "internal-error")["detail"]
    assert response.headers["connection"] == "close"
