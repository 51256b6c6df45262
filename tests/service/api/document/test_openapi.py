"""The OpenAPI document: complete, and true."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
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

from mirage.bundle.store.release import release
from mirage.service.api.content.negotiation import ANSWER_TYPES
from mirage.service.api.content.request_body import BODY_TYPES
from mirage.service.api.openinference.routes import routes as inference_routes
from mirage.service.app import create_app
from mirage.service.errors import PROBLEMS
from mirage.service.settings import Settings
from mirage.service.tasks.requests import GenerateRequest
from mirage.service.telemetry.metrics import Metrics
from tests.bundles import Toy, publish_toy
from tests.service.conftest import ClientOf

NOT_OF_GENERATE = {"not-found", "method-not-allowed", "engine-stuck", "metrics-unavailable"}
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def described(settings: Settings) -> Any:
    """The document as schemathesis reads it, of an application that it starts and stops itself."""
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(settings))


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations() -> list[tuple[str, str]]:
    """Every path of the document with every method that it has."""
    paths = create_app(Settings()).openapi()["paths"]
    return [(path, method) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("path", "method"), operations())
def test_nothing_that_is_allowed_or_forbidden_makes_it_fail(
    described: Any, path: str, method: str, mode: GenerationMode
) -> None:
    check_answers(described[path][method.upper()].as_strategy(generation_mode=mode))


def check_answers(cases: Any) -> None:
    """Answer many cases; each answer must be no failure and have a documented type and content."""

    @hypothesis_settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: schemathesis.Case) -> None:
        response = case.call()
        # 504: the case may ask for an answer within a millisecond.
        assert response.status_code < 500 or response.status_code == 504, response.text
        case.validate_response(response, checks=CHECKS)

    check()


def test_every_path_is_described(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == [
        "/generate",
        "/interpolate",
        "/upscale",
        "/translate",
        "/invert",
        "/models",
        "/models/{name}",
        "/models/{name}/samples",
        "/models/{name}/card",
        "/healthz",
        "/readyz",
        "/metrics",
        *(route.path for route in inference_routes(Metrics())),
    ]


def test_generate_tells_every_body_type_answer_type_and_problem(document: dict[str, Any]) -> None:
    operation = document["paths"]["/generate"]["post"]
    assert tuple(operation["requestBody"]["content"]) == BODY_TYPES
    others = "audio/wav", "audio/flac", "text/plain", "text/x-fasta"
    assert tuple(operation["responses"]["200"]["content"]) == (*ANSWER_TYPES, *others)
    for problem in PROBLEMS:
        response = operation["responses"].get(str(problem.status), {"description": ""})
        told = f"urn:mirage:{problem.slug}`" in response["description"]
        assert told != (problem.slug in NOT_OF_GENERATE), problem.slug
        if told:
            assert list(response["content"]) == ["application/problem+json"]


def test_bounds_of_64_bits_are_exact(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    seed, index = (schemas["GenerateRequest"]["properties"][name] for name in ("seed", "index"))
    assert seed["anyOf"][0]["maximum"] == index["anyOf"][0]["maximum"] == 2**64 - 1
    shape = schemas["InferenceInput"]["properties"]["shape"]
    assert shape["items"]["maximum"] == 2**63 - 1


def test_every_operation_has_a_tag_and_a_summary(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert len(operation["tags"]) == 1, path
            assert operation["summary"], path
            assert operation["description"], path


def test_every_field_has_a_description_and_an_example(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["GenerateRequest"]["properties"]
    assert set(fields) == set(GenerateRequest.model_fields)
    assert all(field["description"] and field["examples"] for field in fields.values())


def test_every_field_of_every_object_has_a_description_and_an_example(
    document: dict[str, Any],
) -> None:
    """But those that are objects: their own fields have."""
    bare = [
        f"{schema}.{name}"
        for schema, described in document["components"]["schemas"].items()
        for name, field in described.get("properties", {}).items()
        if "$ref" not in str(field) and not (field.get("description") and field.get("examples"))
    ]
    assert bare == []


def test_every_parameter_and_header_has_a_description_and_an_example(
    document: dict[str, Any],
) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                where = f"{path} {parameter['name']}"
                assert parameter["description"], where
                assert {"example", "examples"} & (set(parameter) | set(parameter["schema"])), where
            for response in operation["responses"].values():
                assert response["description"], path
                for name, header in response["headers"].items():
                    assert header["description"], f"{path} {name}"


def test_the_bounds_are_those_of_the_settings(client_of: ClientOf) -> None:
    schemas = client_of(images_per_request=12).get("/openapi.json").json()["components"]["schemas"]
    fields = schemas["GenerateRequest"]["properties"]
    assert fields["count"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 12}
    assert fields["latents"]["anyOf"][0]["maxItems"] == 12


def test_examples_of_the_document_are_answered(client_of: ClientOf, tmp_path: Path) -> None:
    """Of every path, by a model that has the name and the sizes of the one that is shipped."""
    publish_toy(tmp_path, Toy(latent_dim=64), "mnist")
    release(tmp_path, "mnist", 1)
    client = client_of(models=tmp_path, default_model="mnist")
    for path, operation, schema in taking_json(client.get("/openapi.json").json()):
        assert schema["examples"], path
        for example in schema["examples"]:
            named = path.format(name="mnist", version=1)
            response = client.request(operation, named, json=example)
            assert response.status_code == 200, response.text


def taking_json(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The paths and methods that take JSON, and the schemas of what they take."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            if reference := content.get("application/json", {}).get("schema", {}).get("$ref"):
                schemas = document["components"]["schemas"]
                yield path, method, schemas[reference.rpartition("/")[2]]


def test_it_names_the_server_and_the_package_s_version(client_of: ClientOf) -> None:
    for root_path, url in (("", "/"), ("/images", "/images")):
        found = client_of(root_path=root_path).get("/openapi.json").json()
        assert [server["url"] for server in found["servers"]] == [url]
        assert found["info"]["version"] == version("mirage-gan")


def test_no_field_of_a_request_has_a_default(document: dict[str, Any]) -> None:
    """Generated clients would send a default that is null, and require a field with another."""
    schemas = document["components"]["schemas"]
    with_default = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, described in schema.get("properties", {}).items()
        if "default" in described and described["default"] in (None, [], {})
    ]
    assert with_default == []
    assert '"default": null' not in json.dumps(document)
    requests = {name for name in schemas if name.endswith("Request")}
    assert "GenerateRequest" in requests
    for name in requests:
        assert not [f for f in schemas[name]["properties"].values() if "default" in f], name


def test_no_reference_leads_nowhere(client: TestClient, document: Any) -> None:
    assert isinstance(client.app, FastAPI)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    text = client.get("/openapi.json").text
    used = {part.split('"')[0] for part in text.split('"$ref":"')[1:]}
    assert used <= known
