"""Errors as RFC 9457 problems."""

import json

import pytest

from mirage.service.api.problems import problem_response
from mirage.service.errors import PROBLEMS, InvalidValue, Overloaded, ServiceError


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
    problem = json.loads(bytes(problem_response(InvalidValue.of("seed", "seed is -1")).body))
    assert problem["errors"] == [{"loc": ["seed"], "msg": "seed is -1"}]
