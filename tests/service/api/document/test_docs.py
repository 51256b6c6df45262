"""The page of the document, also behind a path prefix."""

import re

import pytest
from starlette.testclient import TestClient

from tests.service.conftest import ClientOf


def test_the_page_needs_no_host_but_this(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert sorted(links) == [
        "/docs/static/favicon-32x32.png",
        "/docs/static/swagger-ui-bundle.js",
        "/docs/static/swagger-ui.css",
    ]
    assert "//" not in re.sub(r"(?m)^\s*//.*$", "", page.text)
    for link in links:
        assert client.get(link).status_code == 200
    assert '"/openapi.json"' in page.text or "'/openapi.json'" in page.text


def test_the_script_is_fetched_once(client: TestClient) -> None:
    link = "/docs/static/swagger-ui-bundle.js"
    tag = client.get(link).headers["etag"]
    assert client.get(link, headers={"If-None-Match": tag}).status_code == 304


def test_nothing_else_is_served_from_there(client: TestClient) -> None:
    for path in ("absent.js", "../main.py", "%2e%2e/main.py", ""):
        assert client.get(f"/docs/static/{path}").status_code in (404, 405)


@pytest.mark.parametrize("prefix", ["/mirage", "/models", "/a/docs"])
def test_under_a_prefix_all_that_the_page_names_is_there(client_of: ClientOf, prefix: str) -> None:
    """The proxy takes the prefix away again."""
    client = client_of(root_path=prefix)
    page = client.get("/docs").text
    links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page)
    document = re.findall(r"""url: ["']([^"']+)["']""", page)
    assert len(links) == 3
    for link in (*links, *document):
        assert link.startswith(f"{prefix}/")
        assert client.get(link.removeprefix(prefix)).status_code == 200
    (server,) = client.get("/openapi.json").json()["servers"]
    assert server["url"] == prefix


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/models", "/models/toy", "/healthz", "/v2"]
)
def test_under_a_prefix_every_path_answers_as_before(client_of: ClientOf, path: str) -> None:
    client = client_of(root_path="/models")
    assert client.get(path).status_code == 200
    assert client.post("/generate", json={"seed": 7}).status_code == 200
    assert client.get("/nowhere").json()["detail"].startswith("'/models/nowhere' is no path")


def test_behind_a_proxy_that_takes_a_prefix_away_links_have_it(client_of: ClientOf) -> None:
    client = TestClient(client_of().app, root_path="/mirage")
    assert '"/mirage/openapi.json"' in client.get("/docs").text.replace("'", '"')
    assert "/mirage/docs/static/swagger-ui.css" in client.get("/docs").text
