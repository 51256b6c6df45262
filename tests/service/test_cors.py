"""Calls from the pages of other origins."""

from starlette.testclient import TestClient

from tests.service.conftest import ClientOf

PAGE = "https://page.example"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, x-deadline-ms",
}


def test_pages_of_other_origins_may_not_read_answers_unless_told(client: TestClient) -> None:
    response = client.post("/generate", headers={"Origin": PAGE})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_a_page_of_an_origin_that_is_named_may_call_and_read(client_of: ClientOf) -> None:
    client = client_of(cors_origins=(PAGE,))
    preflight = client.options("/generate", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert preflight.headers["x-request-id"]
    response = client.post("/generate", headers={"Origin": PAGE})
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["vary"] == "Accept, Origin"
    exposed = response.headers["access-control-expose-headers"]
    assert exposed == "X-Seed, X-Model, Server-Timing, Retry-After, X-Request-Id"
    assert "access-control-allow-credentials" not in response.headers


def test_a_page_of_another_origin_may_not(client_of: ClientOf) -> None:
    client = client_of(cors_origins=(PAGE,))
    other = {**PREFLIGHT, "Origin": "https://other.example"}
    assert client.options("/generate", headers=other).status_code == 400
    response = client.post("/generate", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in response.headers


def test_a_preflight_needs_no_key_and_a_refusal_can_be_read(
    client_of: ClientOf, tmp_path: object
) -> None:
    (path := tmp_path / "keys").touch()  # type: ignore[operator]
    client = client_of(cors_origins=("*",), keys_file=path)
    assert client.options("/generate", headers=PREFLIGHT).status_code == 200
    response = client.post("/generate", headers={"Origin": PAGE})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, "*")
