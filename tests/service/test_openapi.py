"""The OpenAPI document: complete, and true."""

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from service.app import create_app
from service.bodies import BODY_TYPES
from service.errors import PROBLEMS
from service.negotiation import ANSWER_TYPES
from service.openapi import NOT_OF_GENERATE
from service.schemas import GenerateRequest
from service.settings import Settings
from tests.service.conftest import ClientOf

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def described(settings: Settings) -> Any:
    """The document as schemathesis reads it, of an application that it starts and stops itself."""
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(settings))


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


@pytest.mark.parametrize("mode", GenerationMode)
def test_nothing_that_generate_allows_or_forbids_makes_it_fail(
    described: Any, mode: GenerationMode
) -> None:
    check_answers(described["/generate"]["POST"].as_strategy(generation_mode=mode))


@pytest.mark.parametrize("path", ["/models", "/models/{name}", "/healthz", "/readyz", "/metrics"])
def test_nothing_that_may_be_read_makes_it_fail(described: Any, path: str) -> None:
    check_answers(described[path]["GET"].as_strategy())


def check_answers(cases: Any) -> None:
    """Answer many cases; each answer must be no 500 and have a documented type and content."""

    @hypothesis_settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: schemathesis.Case) -> None:
        response = case.call()
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS)

    check()


def test_every_path_is_described(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == [
        "/generate",
        "/models",
        "/models/{name}",
        "/healthz",
        "/readyz",
        "/metrics",
    ]


def test_generate_tells_every_body_type_answer_type_and_problem(document: dict[str, Any]) -> None:
    operation = document["paths"]["/generate"]["post"]
    assert tuple(operation["requestBody"]["content"]) == BODY_TYPES
    assert tuple(operation["responses"]["200"]["content"]) == ANSWER_TYPES
    for problem in PROBLEMS:
        if problem.slug not in NOT_OF_GENERATE:
            response = operation["responses"][str(problem.status)]
            assert problem.slug in response["description"]
            assert list(response["content"]) == ["application/problem+json"]


def test_every_field_has_a_description_and_an_example(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["GenerateRequest"]["properties"]
    assert set(fields) == set(GenerateRequest.model_fields)
    assert all(field["description"] and field["examples"] for field in fields.values())


def test_the_bounds_are_those_of_the_settings(client_of: ClientOf) -> None:
    schemas = client_of(images_per_request=12).get("/openapi.json").json()["components"]["schemas"]
    fields = schemas["GenerateRequest"]["properties"]
    assert fields["count"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 12}
    assert fields["latents"]["anyOf"][0]["maxItems"] == 12


def test_examples_of_the_document_are_answered(client: TestClient, document: Any) -> None:
    for example in document["components"]["schemas"]["GenerateRequest"]["examples"]:
        assert client.post("/generate", json=example).status_code == 200


def test_no_reference_leads_nowhere(client: TestClient, document: Any) -> None:
    assert isinstance(client.app, FastAPI)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    text = client.get("/openapi.json").text
    used = {part.split('"')[0] for part in text.split('"$ref":"')[1:]}
    assert used <= known
