"""Models of sequences over HTTP."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from httpx import Response
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents
from tests.generators import ToySequences
from tests.service.api.answers.conftest import DNA, WORDS


def post(client: TestClient, accept: str = "*/*", path: str = "/generate", **body: Any) -> Response:
    return client.post(path, json={"model": "dna", **body}, headers={"Accept": accept})


def expected(toy: ToySequences, seed: int, count: int) -> list[str]:
    return toy.texts(*draw_latents(seed, 0, count, toy.latent_dim, len(toy.labels)))


def test_text_has_one_sequence_a_line(client: TestClient) -> None:
    response = post(client, seed=7, count=3)
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.splitlines() == expected(DNA, 7, 3)
    assert set(response.text) <= set("ACGT\n")
    assert response.text.endswith("\n")


def test_padding_is_not_part_of_a_sequence(client: TestClient) -> None:
    response = post(client, model="words", seed=7, count=40)
    words = response.content.decode().removesuffix("\n").split("\n")
    assert words == expected(WORDS, 7, 40)
    assert "_" not in response.text
    assert len(set(map(len, words))) > 1


def test_fasta_names_seed_index_and_class(client: TestClient) -> None:
    response = post(client, "text/x-fasta", seed=7, count=2, labels=["high", "low"])
    assert response.headers["content-type"] == "text/x-fasta; charset=utf-8"
    lines = response.text.splitlines()
    assert lines[::2] == [">7-0 high", ">7-1 low"]
    assert all(len(line) == DNA.length and set(line) <= set("ACGT") for line in lines[1::2])


def test_fasta_of_posted_latents_has_no_seed(client: TestClient) -> None:
    response = post(client, "text/x-fasta", latents=[[0, 1, 2, 3, 4]], labels=0)
    assert response.text.startswith(">latents-0 low\n")


def test_an_alphabet_beyond_letters_is_no_fasta(client: TestClient) -> None:
    response = post(client, "text/x-fasta", model="words")
    assert response.status_code == 406
    assert "for 1 sequence allowed are text/plain, application/json" in response.json()["detail"]


def test_json_holds_sequences_with_their_origin(client: TestClient) -> None:
    answer = post(client, "application/json", seed=7, labels="high").json()
    (text,) = DNA.texts(draw_latents(7, 0, 1, DNA.latent_dim)[0], np.array([1]))
    assert answer == {
        "model": "dna",
        "version": 1,
        "sequences": [{"seed": "7", "index": 0, "label": 1, "class": "high", "sequence": text}],
    }


def test_a_zip_holds_a_text_for_each(client: TestClient) -> None:
    response = post(client, "application/zip", seed=7, count=2)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        texts = [archive.read(name).decode() for name in ("000.txt", "001.txt")]
    assert texts == [f"{text}\n" for text in expected(DNA, 7, 2)]


def test_npy_holds_the_tokens(client: TestClient) -> None:
    found = np.load(io.BytesIO(post(client, "application/x-npy", seed=7, count=2).content))
    assert found.dtype == np.uint8
    assert ["".join("ACGT"[token] for token in row) for row in found] == expected(DNA, 7, 2)


def test_a_walk_has_a_line_for_each_step(client: TestClient) -> None:
    points = [{"seed": 1}, {"seed": 2}]
    response = post(client, path="/interpolate", points=points, steps=50)
    lines = response.text.splitlines()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert (len(lines), lines[0]) == (51, post(client, seed=1).text.strip())
    assert len(set(lines)) > 2


@pytest.mark.parametrize("fields", [{"layout": "grid"}, {"upscale": "icon-x4"}])
def test_parameters_of_images_are_refused(client: TestClient, fields: dict[str, Any]) -> None:
    response = post(client, **fields)
    assert response.status_code == 422
    assert "dna makes tokens, not images" in response.json()["detail"]


def test_separate_sequences_may_be_asked_for(client: TestClient) -> None:
    assert post(client, seed=7, layout="separate").content == post(client, seed=7).content


def test_the_model_is_described(client: TestClient) -> None:
    version = client.get("/models/words").json()["loaded"][0]
    assert version["output"] == "tokens"
    assert version["sequence"] == {"alphabet": "_ab cé", "padding": "_", "tokens": 12}
    assert (version["image"], version["sound"]) == (None, None)


def test_the_open_inference_protocol_gives_tokens(client: TestClient) -> None:
    assert client.get("/v2/models/dna").json()["outputs"] == [
        {"name": "tokens", "datatype": "UINT8", "shape": [-1, DNA.length]}
    ]
    latents = np.array([[0.5, -0.5, 0.25, 0.0, 1.0]], np.float32)
    inputs = [
        {"name": "latents", "datatype": "FP32", "shape": [1, 5], "data": latents[0].tolist()},
        {"name": "labels", "datatype": "INT64", "shape": [1], "data": [1]},
    ]
    (output,) = client.post("/v2/models/dna/infer", json={"inputs": inputs}).json()["outputs"]
    assert output["data"] == DNA.made(latents, np.array([1]))[0].tolist()
