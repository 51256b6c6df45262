"""Models of sounds over HTTP."""

import base64
import io
import json
import sys
import wave
import zipfile
from typing import Any

import numpy as np
import pytest
import soundfile
from httpx import Response
from starlette.testclient import TestClient

from mirage.bundle.format.latents import draw_latents, member_of
from mirage.bundle.format.manifest import parse_manifest
from tests.generators import ToySounds

SPEECH = ToySounds()


def post(client: TestClient, accept: str = "*/*", path: str = "/generate", **body: Any) -> Response:
    return client.post(path, json={"model": "speech", **body}, headers={"Accept": accept})


def samples(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def expected(seed: int, count: int, index: int = 0) -> np.ndarray:
    latents, labels = draw_latents(seed, index, count, SPEECH.latent_dim, len(SPEECH.labels))
    return SPEECH.made(latents, labels)


def close(found: Any, wanted: Any) -> bool:
    return bool(np.abs(np.asarray(found, int) - wanted).max() <= 1)


def test_one_sound_is_a_wav_by_default(client: TestClient) -> None:
    response = post(client, seed=7)
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["x-seed"] == "7"
    assert len(response.content) == 44 + 2 * SPEECH.length
    assert close(samples(response.content), expected(7, 1)[0])


def test_several_are_a_zip_of_wavs(client: TestClient) -> None:
    response = post(client, seed=7, count=3)
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == ["000.wav", "001.wav", "002.wav"]
        made = [samples(archive.read(name)) for name in archive.namelist()]
    assert close(made, expected(7, 3))


def test_flac_has_the_same_samples(client: TestClient) -> None:
    response = post(client, "audio/flac", seed=7)
    assert response.headers["content-type"] == "audio/flac"
    found, rate = soundfile.read(io.BytesIO(response.content), dtype="int16")
    assert rate == 8000
    assert np.array_equal(found, samples(post(client, seed=7).content))


def test_without_the_package_flac_is_not_acceptable(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    response = post(client, "audio/flac", seed=7)
    assert response.status_code == 406
    assert "for 1 sound allowed are audio/wav, application/zip" in response.json()["detail"]


def test_several_do_not_fit_into_one_wav(client: TestClient) -> None:
    response = post(client, "audio/wav", seed=7, count=2)
    assert response.status_code == 406
    assert "for 2 sounds allowed are application/zip" in response.json()["detail"]


def test_json_holds_sounds_with_their_origin(client: TestClient) -> None:
    answer = post(client, "application/json", seed=7, labels=["high"], index=4).json()
    (sound,) = answer["sounds"]
    wav = base64.b64decode(sound.pop("wav"))
    assert sound == {"seed": "7", "index": 4, "label": 1, "class": "high"}
    assert len(samples(wav)) == SPEECH.length


def test_a_part_has_its_type_and_its_origin(client: TestClient) -> None:
    response = post(client, "multipart/mixed", seed=7, count=2)
    assert response.content.count(b"Content-Type: audio/wav\r\n") == 2
    assert b"X-Seed: 7\r\nX-Index: 1\r\n" in response.content


def test_npy_holds_the_samples(client: TestClient) -> None:
    found = np.load(io.BytesIO(post(client, "application/x-npy", seed=7, count=2).content))
    assert found.dtype == np.int16
    assert close(found, expected(7, 2))


def test_latents_labels_and_directions_act_as_for_images(client: TestClient) -> None:
    latent = [0.5, -0.5, 0.25, 0.0, 1.0]
    moved = [2.0, *latent[1:]]
    posted = post(client, latents=[moved], labels=1).content
    assert close(samples(posted), SPEECH.made(np.array([moved], np.float32), np.array([1]))[0])
    assert post(client, latents=[latent], labels=1, directions={"0": 1.5}).content == posted


def test_an_ensemble_makes_each_sound_by_its_member(client: TestClient, root: Any) -> None:
    manifest = parse_manifest((root / "speech/3/manifest.json").read_bytes())
    answer = post(client, "application/json", seed=5, count=6, version=3).json()
    for number, sound in enumerate(answer["sounds"]):
        member = member_of(manifest, 5, number).version
        assert sound["member"] == member
        toy = ToySounds(seed=member - 1)
        latents, labels = draw_latents(5, number, 1, toy.latent_dim, 2)
        assert close(samples(base64.b64decode(sound["wav"])), toy.made(latents, labels)[0])


@pytest.mark.parametrize(
    ("path", "fields", "named"),
    [
        ("/generate", {"layout": "grid"}, "layout is 'grid'; speech makes audio, not images"),
        ("/generate", {"upscale": "icon-x4"}, "upscale is 'icon-x4'; speech makes audio"),
        ("/interpolate", {"duration_ms": 80}, "duration_ms is 80; speech makes audio"),
        ("/interpolate", {"upscale": "icon-x4"}, "upscale is 'icon-x4'; speech makes audio"),
    ],
)
def test_parameters_of_images_are_refused(
    client: TestClient, path: str, fields: dict[str, Any], named: str
) -> None:
    walk = {"points": [{"seed": 1}, {"seed": 2}]} if path == "/interpolate" else {}
    response = post(client, path=path, **walk, **fields)
    assert response.status_code == 422
    assert named in response.json()["detail"]


def test_a_picture_cannot_be_inverted(client: TestClient) -> None:
    png = client.post("/generate", json={"seed": 1}).content
    response = client.post("/invert?model=speech", content=png)
    assert response.status_code == 422
    assert "speech makes audio, not images" in response.json()["detail"]


@pytest.mark.parametrize("accept", ["image/png", "image/webp", "text/plain"])
def test_other_types_are_not_acceptable(client: TestClient, accept: str) -> None:
    assert post(client, accept, seed=7).status_code == 406


def test_images_are_no_sounds(client: TestClient) -> None:
    body = {"model": "toy", "seed": 1}
    assert client.post("/generate", json=body, headers={"Accept": "audio/wav"}).status_code == 406


@pytest.mark.parametrize("steps", [4, 64])
def test_a_walk_is_a_zip_whose_first_sound_is_that_of_its_seed(
    client: TestClient, steps: int
) -> None:
    points = [{"seed": 1}, {"seed": 2}]
    response = post(client, path="/interpolate", points=points, steps=steps)
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        names = archive.namelist()
        assert (len(names), names[0]) == (steps + 1, "000.wav")
        assert archive.read("000.wav") == post(client, seed=1).content


def test_a_walk_is_no_animation(client: TestClient) -> None:
    points = [{"seed": 1}, {"seed": 2}]
    response = post(client, "image/gif", "/interpolate", points=points)
    assert response.status_code == 406
    assert "for frames allowed are application/zip" in response.json()["detail"]


def test_the_model_is_described(client: TestClient) -> None:
    version = client.get("/models/speech").json()["loaded"][0]
    assert version["output"] == "audio"
    assert version["sound"] == {"sample_rate": 8000, "samples": SPEECH.length}
    assert (version["image"], version["sequence"]) == (None, None)


def test_limits_count_samples(root: Any) -> None:
    from mirage.service.app import create_app
    from mirage.service.settings import Settings

    settings = Settings(
        models=root, default_model="speech", threads=1, megapixels_per_request=0.0001
    )
    with TestClient(create_app(settings)) as client:
        response = client.post("/generate", json={"count": 3})
    assert response.status_code == 422
    assert "which makes 0.0 million samples" in response.json()["detail"]


@pytest.mark.parametrize("binary", [True, False])
def test_the_open_inference_protocol_gives_samples(client: TestClient, binary: bool) -> None:
    latents = np.array([[0.5, -0.5, 0.25, 0.0, 1.0]], np.float32)
    inputs = [
        {"name": "latents", "datatype": "FP32", "shape": [1, 5], "data": latents[0].tolist()},
        {"name": "labels", "datatype": "INT64", "shape": [1], "data": [1]},
    ]
    outputs = [{"name": "audio", "parameters": {"binary_data": binary}}]
    response = client.post("/v2/models/speech/infer", json={"inputs": inputs, "outputs": outputs})
    header = response.headers.get("inference-header-content-length")
    content = response.content
    answer = json.loads(content[: int(header)] if header else content)
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("audio", "INT16", [1, 40])
    found = np.frombuffer(content[int(header) :], "<i2") if header else output["data"]
    assert close(found, SPEECH.made(latents, np.array([1]))[0])
    assert min(found) < 0
