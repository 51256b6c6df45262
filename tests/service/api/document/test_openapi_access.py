"""What the OpenAPI document tells of keys, of ids, and of the errors before routes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mirage.service.api.security.auth import is_open
from tests.service.conftest import ClientOf

EITHER = [{"bearer": []}, {"header": []}]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


@pytest.fixture(params=[False, True], ids=["without keys", "with keys"])
def keys_needed(request: pytest.FixtureRequest) -> bool:
    needed: bool = request.param
    return needed


@pytest.fixture
def document(client_of: ClientOf, tmp_path: Path, keys_needed: bool) -> dict[str, Any]:
    (tmp_path / "keys").touch()
    client = client_of(keys_file=tmp_path / "keys" if keys_needed else None)
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_a_key_is_needed_exactly_where_it_is_asked_for(
    document: dict[str, Any], keys_needed: bool
) -> None:
    assert [*document["components"]["securitySchemes"]] == ["bearer", "header"]
    for path, operation in operations(document):
        if is_open(path):
            assert "security" not in operation
        else:
            assert operation["security"] == (EITHER if keys_needed else [{}, *EITHER])


def test_the_errors_of_every_guarded_path_are_told(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        told = {"401", "403", "500"} <= set(operation["responses"])
        assert told != is_open(path), path


def test_every_answer_is_told_to_carry_the_id(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        names = [parameter["name"] for parameter in operation["parameters"]]
        assert names.count("X-Request-Id") == 1, path
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"], path
            assert ("WWW-Authenticate" in response["headers"]) == (status == "401")


def test_operations_have_plain_names_of_their_own(client: TestClient) -> None:
    names = [
        operation["operationId"] for _, operation in operations(client.get("/openapi.json").json())
    ]
    assert len(set(names)) == len(names)
    assert {"generate", "get_models", "get_model", "get_health"} <= set(names)
