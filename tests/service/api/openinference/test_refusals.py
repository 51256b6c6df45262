"""Errors under /v2, whoever made them, in the protocol's form; those elsewhere as they were."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from mirage.service.api.openinference.routes import ProtocolErrors, error_response
from mirage.service.api.problems import problem_response
from mirage.service.errors import InvalidValue, MissingKey, Overloaded
from tests.service.api.openinference.requests import error

ERRORS = {
    "bad": InvalidValue.of("labels", "label is 10"),
    "key": MissingKey("a key is needed"),
    "full": Overloaded("100 wait", retry_after_s=2.5),
}


async def refuse(request: Request) -> Response:
    return problem_response(ERRORS[request.path_params["name"]])


async def fail(_request: Request) -> Response:
    raise RuntimeError("a secret")


@pytest.fixture
def plain() -> TestClient:
    """An application that knows nothing of the protocol, behind the middleware alone."""
    routes = [
        *(Route(f"{root}/{{name}}", refuse) for root in ("/v2", "/v2s", "/x")),
        Route("/v2/x/fail", fail),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(ProtocolErrors)])
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(("name", "status"), [("bad", 400), ("key", 401), ("full", 429)])
def test_problems_are_rewritten_below_the_root_alone(
    plain: TestClient, name: str, status: int
) -> None:
    assert error(plain.get(f"/v2/{name}"), status) == ERRORS[name].detail
    for elsewhere in ("/v2s", "/x"):
        response = plain.get(f"{elsewhere}/{name}")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.status_code == ERRORS[name].status


def test_headers_of_a_problem_stay(plain: TestClient) -> None:
    assert plain.get("/v2/key").headers["www-authenticate"] == "Bearer"
    assert plain.get("/v2/full").headers["retry-after"] == "3"


def test_what_nobody_caught_is_a_fixed_text_and_is_raised_for_the_log(plain: TestClient) -> None:
    response = plain.get("/v2/x/fail")
    assert "secret" not in error(response, 500)
    assert response.headers["connection"] == "close"
    with pytest.raises(RuntimeError, match="a secret"):
        TestClient(plain.app).get("/v2/x/fail")


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_made_at_once_is_one_that_was_rewritten(plain: TestClient, name: str) -> None:
    rewritten, made = plain.get(f"/v2/{name}"), error_response(ERRORS[name])
    assert rewritten.content == made.body
    assert rewritten.status_code == made.status_code
    assert dict(rewritten.headers) == dict(made.headers)
