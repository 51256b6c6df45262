"""The protocol's part of the OpenAPI document: complete, and true."""

from typing import Any

import pytest
import schemathesis
from schemathesis.generation import GenerationMode
from starlette.testclient import TestClient

from mirage.service.api.openinference.routes import routes
from mirage.service.app import create_app
from mirage.service.settings import Settings
from mirage.service.telemetry.metrics import Metrics
from tests.service.api.document.test_openapi import check_answers

PATHS: dict[str, Any] = {
    path: methods
    for path, methods in create_app(Settings()).openapi()["paths"].items()
    if path.startswith("/v2")
}
INFER = [path for path in PATHS if path.endswith("/infer")]
READ = [path for path, methods in PATHS.items() if "get" in methods]


@pytest.fixture
def described(settings: Settings) -> Any:
    """The document as schemathesis reads it, of an application that it starts and stops itself."""
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(settings))


def test_every_path_is_described_and_every_described_path_is_there() -> None:
    found = {(route.path, method) for route in routes(Metrics()) for method in route.methods or ()}
    described = {(path, method.upper()) for path, methods in PATHS.items() for method in methods}
    assert {(path, method) for path, method in found if method != "HEAD"} == described


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", INFER)
def test_nothing_that_infer_allows_or_forbids_makes_it_fail(
    described: Any, path: str, mode: GenerationMode
) -> None:
    check_answers(described[path]["POST"].as_strategy(generation_mode=mode))


@pytest.mark.parametrize("mode", GenerationMode)
def test_nothing_that_the_index_allows_or_forbids_makes_it_fail(
    described: Any, mode: GenerationMode
) -> None:
    check_answers(described["/v2/repository/index"]["POST"].as_strategy(generation_mode=mode))


@pytest.mark.parametrize("path", READ)
def test_nothing_that_may_be_read_makes_it_fail(described: Any, path: str) -> None:
    check_answers(described[path]["GET"].as_strategy())


def test_the_errors_of_the_document_are_the_protocol_s(client: TestClient) -> None:
    for path in PATHS:
        for operation in client.get("/openapi.json").json()["paths"][path].values():
            assert "422" not in operation["responses"]
            for status, response in operation["responses"].items():
                reference = response["content"]["application/json"]["schema"]["$ref"]
                assert reference.endswith("/InferenceError") is (status >= "400")
                assert response["description"]
