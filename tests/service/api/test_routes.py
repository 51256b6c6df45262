"""Every field, body type and answer type, over HTTP."""

import base64
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents, takes_canary
from mirage.bundle.store.release import Canary, release
from mirage.service.api.content.negotiation import ANSWER_TYPES
from mirage.service.api.playground import MEDIA_TYPES, read_pages
from tests.bundles import Toy, make_bundle
from tests.service.conftest import ClientOf
from tests.service.helpers.requests import JSON, NPY, OCTETS, npy, pixels, post, problem

LATENTS = draw_latents(7, 0, 2, 5)[0]


def test_an_empty_body_makes_one_image(client: TestClient) -> None:
    response = client.post("/generate")
    assert pixels(response).shape == (8, 12)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-model"] == "toy@1"
    assert response.headers["vary"] == "Accept"
    assert int(response.headers["x-seed"]) < 2**53


def test_the_pixels_are_the_graphs(client: TestClient) -> None:
    latents, _ = draw_latents(7, 0, 1, 5)
    expected = Toy().images(latents, np.array([3]))[0, :, :, 0]
    assert np.array_equal(pixels(post(client, seed=7, labels=3)), expected)


def test_server_timing_names_the_three_stages(client: TestClient) -> None:
    header = client.post("/generate").headers["server-timing"]
    stages = [item.split(";dur=") for item in header.split(", ")]
    assert [name for name, _ in stages] == ["queue", "engine", "encode"]
    assert all(float(milliseconds) >= 0 for _, milliseconds in stages)


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**64 - 1])
def test_a_seed_is_exact_as_a_number_and_as_a_string(client: TestClient, seed: int) -> None:
    number, text = post(client, seed=seed, labels=1), post(client, seed=str(seed), labels=1)
    assert number.headers["x-seed"] == text.headers["x-seed"] == str(seed)
    assert number.content == text.content
    neighbour = post(client, seed=seed - 1 if seed else 1, labels=1)
    assert neighbour.content != number.content


@pytest.mark.parametrize("media", ANSWER_TYPES)
def test_every_answer_type_is_given(client: TestClient, media: str) -> None:
    for count in (1, 5):
        response = client.post("/generate", json={"count": count}, headers={"accept": media})
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(media)


def test_several_images_are_a_zip_by_default(client: TestClient) -> None:
    response = post(client, seed=7, count=3)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == ["000.png", "001.png", "002.png"]


def test_a_grid_is_one_sheet(client: TestClient) -> None:
    assert pixels(post(client, count=5, layout="grid")).shape == (16, 36)


def test_a_label_list_counts_the_images(client: TestClient) -> None:
    response = client.post(
        "/generate", json={"labels": [1, "2", 3]}, headers={"accept": "application/json"}
    )
    assert [image["label"] for image in response.json()["images"]] == [1, 2, 3]


@pytest.mark.parametrize("media", [JSON, NPY, OCTETS])
def test_the_same_latents_make_the_same_image_by_every_body_type(
    client: TestClient, media: str
) -> None:
    if media == JSON:
        response = post(client, latents=LATENTS[:1].astype(float).tolist(), labels=3)
    else:
        body = npy(LATENTS[:1]) if media == NPY else LATENTS[:1].tobytes()
        headers = {"content-type": media}
        response = client.post("/generate?labels=3", content=body, headers=headers)
    assert response.status_code == 200, response.text
    assert "x-seed" not in response.headers
    assert response.content == post(client, seed=7, labels=3).content


def test_the_query_takes_the_other_fields(client: TestClient) -> None:
    response = client.post(
        "/generate?labels=2,1&model=toy&version=2&layout=grid&index=3",
        content=LATENTS.tobytes(),
        headers={"content-type": OCTETS, "accept": "image/png"},
    )
    assert pixels(response).shape == (8, 24)
    assert response.headers["x-model"] == "toy@2"


def test_an_unreleased_version_is_reached_by_number(client: TestClient) -> None:
    first, second = post(client, seed=1, labels=1), post(client, seed=1, labels=1, version=2)
    assert second.headers["x-model"] == "toy@2"
    assert first.content != second.content
    rgb = post(client, model="rgb", version=1, labels="cat")
    assert pixels(rgb).shape == (8, 12, 3)


def test_an_unconditional_model_has_no_label(client: TestClient) -> None:
    response = client.post(
        "/generate", json={"model": "plain"}, headers={"accept": "application/json"}
    )
    (image,) = response.json()["images"]
    assert (image["label"], image["class"]) == (None, None)
    assert base64.b64decode(image["png"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("header", ["60000", "9" * 99])
def test_a_longer_deadline_is_capped(client: TestClient, header: str) -> None:
    assert client.post("/generate", headers={"x-deadline-ms": header}).status_code == 200


def test_head_and_options_are_answered(client: TestClient) -> None:
    head, get = client.head("/models"), client.get("/models")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    options = client.options("/generate")
    assert (options.status_code, options.headers["allow"]) == (204, "OPTIONS, POST")
    assert client.options("/models").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.head("/generate").status_code == 405


def test_health_readiness_and_documentation(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/docs").headers["content-type"].startswith("text/html")


def test_readiness_ends_when_the_service_is_told_to_stop(client_of: ClientOf) -> None:
    client = client_of()
    app = client.app
    assert isinstance(app, FastAPI)
    app.state.service.draining = True
    response = client.get("/readyz")
    problem(response, 503, "draining")
    assert int(response.headers["retry-after"]) >= 1
    assert post(client).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_an_engine_that_only_a_new_process_can_run_is_told(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU that has failed."""
    client = client_of()
    assert client.get("/healthz").status_code == 200
    monkeypatch.setattr("mirage.service.engines.session.Chain.is_lost", True)
    response = client.get("/healthz")
    assert "GPU has failed" in problem(response, 503, "engine-stuck")["detail"]


def test_a_canary_meets_seeds_and_nothing_else(tmp_path: Path, client_of: ClientOf) -> None:
    for seed in range(2):
        make_bundle(tmp_path, seed=seed)
    release(tmp_path, "toy", 1, Canary(2, 0.5))
    client = client_of(models=tmp_path)
    for seed in range(30):
        expected = "toy@2" if takes_canary("toy", seed, 0.5) else "toy@1"
        answer = post(client, seed=seed)
        assert (answer.headers["x-model"], answer.headers["x-seed"]) == (expected, str(seed))
        assert post(client, seed=seed, version=1).headers["x-model"] == "toy@1"
        walk = {"points": [{"seed": seed}, {"seed": 0}], "steps": 1}
        assert client.post("/interpolate", json=walk).headers["x-model"] == expected
    drawn = post(client)
    taken = takes_canary("toy", int(drawn.headers["x-seed"]), 0.5)
    assert drawn.headers["x-model"] == ("toy@2" if taken else "toy@1")
    assert post(client, latents=LATENTS.tolist(), labels=3).headers["x-model"] == "toy@1"
    listed = client.get("/models/toy").json()
    assert listed["canary"] == {"version": 2, "share": 0.5}


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
    assert server == {"url": prefix}


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


MAX_BYTES = 150_000


def test_the_page_and_all_that_it_names_is_there(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = set(re.findall(r'(?:src|href)="(static/[^"]+)"', page.text))
    for path in named:
        assert client.get(f"/{path}").status_code == 200
    assert {name for name in read_pages() if name.endswith(".js")} == {
        path.removeprefix("static/") for path in named if path.endswith(".js")
    }


def test_the_page_is_light() -> None:
    assert sum(len(page.body) for page in read_pages().values()) <= MAX_BYTES


def test_nothing_comes_from_other_hosts_or_stands_inline(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    for name, page in read_pages().items():
        text = page.body.decode().replace("http://www.w3.org/", "")
        assert not re.search(r"https?://", text), name
        assert not re.search(r'<style|style="|\son[a-z]+="|<script(?![^>]* src=)', text), name
        assert "innerHTML" not in text, name


@pytest.mark.parametrize("path", ["/", "/static/main.js"])
def test_what_the_browser_has_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


@pytest.mark.parametrize("name", ["absent.js", "..%2fapp.py", "%2e%2e/app.py", ""])
def test_other_files_are_not_served(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_every_file_has_a_type_that_browsers_take() -> None:
    types = {page.media_type for page in read_pages().values()}
    assert types == set(MEDIA_TYPES.values())


def test_the_page_works_under_any_prefix(client: TestClient) -> None:
    """Nothing that it names begins with a slash."""
    assert not re.search(r'(?:src|href|action)="/', client.get("/").text)
    for name, page in read_pages().items():
        assert not re.search(
            r"""(?:ask|fetch|import|from|url)\s*\(?\s*["'`]/""", page.body.decode()
        ), name


def test_an_unknown_path_is_shown_with_its_control_characters(client: TestClient) -> None:
    response = client.get("/healthz%0d%0a")
    assert response.status_code == 404
    assert response.json()["detail"] == r"'/healthz\r\n' is no path of this service"
