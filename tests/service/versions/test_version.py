"""Versions in memory: ensembles, queue limits, shared engines."""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from mirage.bundle.format.latents import member_of
from mirage.bundle.format.manifest import Manifest, Member
from mirage.bundle.format.verify import Bundle, load_bundle, read_manifest
from mirage.bundle.store.publish import new_version, publish_ensemble
from mirage.bundle.store.release import release
from mirage.service.app import create_app
from mirage.service.batching.cost_model import CostModel
from mirage.service.engines import engine
from mirage.service.engines.engine import Array, Engine
from mirage.service.engines.polyphase import decompose
from mirage.service.engines.providers import ProviderConfig
from mirage.service.engines.shared_engine import SharedEngine
from mirage.service.errors import Overloaded
from mirage.service.settings import Settings
from mirage.service.sharing.counters import SharedCounters
from mirage.service.tasks.generate import GenerateJob
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.loading import LoadError, Prepared, prepare
from mirage.service.versions.version import MIN_SHARED_IMAGES, EngineRun, LoadedVersion
from tests.bundles import Toy, make_bundle, write_toy
from tests.service.api.openinference import requests as inference
from tests.service.helpers.requests import JSON, NPY, post, problem

LATENTS = [[0.5, 0, 0, 0, 1.0]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """toy@4 of versions 1, 2 and 3, released; plain@3 of 1 and 2, unconditional, not released."""
    root = tmp_path_factory.mktemp("ensembles")
    for seed in range(3):
        make_bundle(root, seed=seed)
        if seed < 2:
            make_bundle(root, "plain", labels=(), seed=seed)
    weights = [(1, 1.0), (2, 2.0), (3, 1.0)]
    publish_ensemble(root, "toy", [Member(version=v, weight=w) for v, w in weights])
    publish_ensemble(root, "plain", [Member(version=v, weight=1.0) for v in (1, 2)])
    release(root, "toy", 4)
    return root


@pytest.fixture(scope="module")
def manifest(root: Path) -> Manifest:
    return read_manifest(root / "toy" / "4")


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    settings = Settings(models=root, default_model="toy", threads=1, encode_threads=1)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def images(client: TestClient, **fields: Any) -> np.ndarray:
    """uint8 `[n, H, W, C]`."""
    response = client.post("/generate", json=fields, headers={"accept": NPY})
    assert response.status_code == 200, response.text
    header = 128
    return np.frombuffer(response.content[header:], np.uint8).reshape(-1, 8, 12, 1)


def test_each_image_is_that_of_its_member(client: TestClient, manifest: Manifest) -> None:
    found = images(client, seed=7, index=5, count=40)
    chosen = [member_of(manifest, 7, 5 + row).version for row in range(40)]
    assert set(chosen) == {1, 2, 3}
    own = {
        version: images(client, seed=7, index=5, count=40, version=version) for version in (1, 2, 3)
    }
    for row, version in enumerate(chosen):
        assert np.array_equal(found[row], own[version][row])


def test_an_image_does_not_depend_on_the_others_of_its_request(client: TestClient) -> None:
    together = images(client, seed=9, count=12, labels=3, truncation=0.7)
    for index in range(12):
        alone = images(client, seed=9, index=index, labels=3, truncation=0.7)
        assert np.array_equal(alone[0], together[index])


def test_json_contains_the_member_of_each_image(client: TestClient, manifest: Manifest) -> None:
    response = client.post("/generate", json={"seed": 7, "count": 9}, headers={"accept": JSON})
    body = response.json()
    assert response.headers["x-model"] == "toy@4"
    assert (body["model"], body["version"]) == ("toy", 4)
    expected = [member_of(manifest, 7, index).version for index in range(9)]
    assert [image["member"] for image in body["images"]] == expected
    sheet = client.post(
        "/generate", json={"seed": 7, "count": 9, "layout": "grid"}, headers={"accept": JSON}
    )
    assert sheet.json()["images"][0]["member"] is None


def test_a_single_version_has_no_members(client: TestClient) -> None:
    answer = client.post("/generate", json={"version": 1}, headers={"accept": JSON})
    assert "member" not in answer.json()["images"][0]


def test_posted_latents_are_rejected(client: TestClient) -> None:
    found = problem(post(client, latents=LATENTS, labels=3), 422, "invalid-value")
    assert "one of its members: version 1, 2, 3" in found["detail"]
    assert post(client, latents=LATENTS, labels=3, version=2).status_code == 200


def test_the_inference_protocol_rejects_ensembles(client: TestClient) -> None:
    response = inference.post(client, inference.wanted())
    assert response.status_code == 400
    assert "one of its members" in response.json()["error"]
    assert client.get("/v2/models/toy").json()["versions"] == ["1", "2", "3", "4"]
    assert client.get("/v2/models/toy/ready").status_code == 200


def test_an_interpolation_runs_on_one_member(client: TestClient, manifest: Manifest) -> None:
    points = [{"seed": 7, "index": 3}, {"seed": 8}]
    member = member_of(manifest, 7, 3).version
    whole = client.post("/interpolate", json={"points": points, "steps": 3})
    own = client.post("/interpolate", json={"points": points, "steps": 3, "version": member})
    assert whole.headers["x-model"] == own.headers["x-model"] == f"toy@{member}"
    assert whole.content == own.content
    mixed = {"points": [{"seed": 7}, {"latents": LATENTS[0]}]}
    problem(client.post("/interpolate", json=mixed), 422, "invalid-value")


def test_members_are_described(client: TestClient) -> None:
    model = client.get("/models/toy").json()
    loaded = {version["version"]: version for version in model["loaded"]}
    assert set(loaded) == {1, 2, 3, 4}
    assert loaded[4]["members"] == [
        {"version": 1, "weight": 1.0},
        {"version": 2, "weight": 2.0},
        {"version": 3, "weight": 1.0},
    ]
    assert loaded[4]["size_bytes"] == sum(loaded[v]["size_bytes"] for v in (1, 2, 3))
    assert len({version["sha256"] for version in loaded.values()}) == 4
    assert loaded[1]["members"] == []


def test_an_ensemble_is_loaded_on_demand(client: TestClient) -> None:
    response = post(client, model="plain", version=3, seed=7, count=2)
    assert response.headers["x-model"] == "plain@3"
    assert post(client, model="plain", version=3, latents=LATENTS).status_code == 422


def test_images_are_counted_for_the_ensemble(client: TestClient) -> None:
    images(client, seed=1, count=3)
    assert 'mirage_images_total{model="toy",version="4"}' in client.get("/metrics").text


PIXELS = 8 * 12  # of a toy image


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"queue_images": 5}, 5),
        ({"queue_megapixels": 7.5 * PIXELS / 1e6}, 7),
        ({"queue_images": 3, "queue_megapixels": 7 * PIXELS / 1e6}, 3),
        ({"queue_megapixels": PIXELS / 2e6}, 1),
    ],
    ids=["images", "pixels", "the smaller", "never none"],
)
def test_the_queue_is_bounded_in_images_and_in_pixels(
    tmp_path: Path, changes: dict[str, float], allowed: int
) -> None:
    limits = {"megapixels_per_request": 1e-9, **changes}
    assert queue_limit(tmp_path, limits) == allowed


def test_the_largest_request_fits_into_the_queue(tmp_path: Path) -> None:
    limits = {
        "queue_megapixels": 2 * PIXELS / 1e6,
        "megapixels_per_request": 9.5 * PIXELS / 1e6,
    }
    assert queue_limit(tmp_path, limits) == 9


def queue_limit(root: Path, limits: dict[str, float]) -> int:
    """Return the largest request in images that an idle version admits."""
    settings = Settings(models=root, threads=1).model_copy(update=limits)
    prepared = prepare(make_bundle(root, "toy", labels=()), settings)

    async def try_all() -> int:
        version = LoadedVersion(prepared, settings, Metrics())
        taken = 0
        try:
            while taken < 100:
                latents = np.zeros((taken + 1, prepared.manifest.latent_dim), np.float32)
                await version.generate(GenerateJob(latents, None, 0, 0), time.monotonic() + 60)
                taken += 1
        except Overloaded:
            return taken
        finally:
            await version.close()
        return taken

    return asyncio.run(try_all())


class RecordingEngine(Engine):
    """An engine that records the sizes of its batches."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle, ProviderConfig("cpu"))
        self.sizes_run: list[int] = []

    def run(self, inputs: Sequence[Array]) -> NDArray[np.uint8]:
        """Record and run a batch."""
        self.sizes_run.append(len(inputs[0]))
        return super().run(inputs)


@pytest.mark.parametrize(("max_batch_size", "from_size"), [(32, MIN_SHARED_IMAGES), (4, 4)])
def test_a_large_batch_of_a_single_request_runs_on_all_cpus(
    tmp_path: Path, max_batch_size: int, from_size: int
) -> None:
    bundle = load_bundle(make_bundle(tmp_path, "toy", labels=()))
    own, shared, counters = (
        RecordingEngine(bundle),
        RecordingEngine(bundle),
        SharedCounters(2, cpus=2),
    )
    prepared = Prepared([own], CostModel(), max_batch_size, SharedEngine(shared))
    run = EngineRun(own, Metrics().padding.labels("toy", "1"), prepared, counters)
    latents = np.zeros((from_size, bundle.manifest.latent_dim), np.float32)
    counters.begin_request()
    alone = run((latents,))
    run((latents[1:],))
    counters.begin_request()
    beside_others = run((latents,))
    assert (shared.sizes_run, own.sizes_run) == ([from_size], [from_size - 1, from_size])
    assert np.array_equal(alone, beside_others)


def test_batches_have_at_most_the_efficient_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Engine, "warm_up", lambda self, cost: {1: 1.0, 2: 1.8, 4: 9.0})
    settings = Settings(threads=1, max_batch_size=4)
    with caplog.at_level(logging.INFO):
        prepared = prepare(make_bundle(tmp_path, "toy", labels=()), settings)
    assert prepared.max_batch_size == 2
    assert "toy@1 runs in batches of up to 2" in caplog.text

    async def generate() -> list[int]:
        recording = RecordingEngine(load_bundle(tmp_path / "toy/1"))
        version = LoadedVersion(replace(prepared, engines=[recording]), settings, Metrics())
        latents = np.zeros((5, recording.manifest.latent_dim), np.float32)
        await version.generate(GenerateJob(latents, None, 0, 0), time.monotonic() + 60)
        await version.close()
        return recording.sizes_run

    assert asyncio.run(generate()) == [2, 2, 1]


def test_a_worker_has_a_shared_engine(tmp_path: Path) -> None:
    path = make_bundle(tmp_path, "toy", labels=())
    assert prepare(path, Settings(threads=1)).shared is None
    prepared = prepare(path, Settings(threads=1), SharedCounters(2, cpus=2))
    assert prepared.shared is not None
    assert prepared.all_engines == [prepared.shared.engine, *prepared.engines]


def test_a_graph_is_rewritten_once_for_all_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewritten: list[bytes] = []

    def recorded(model: bytes) -> bytes:
        rewritten.append(model)
        return decompose(model)

    monkeypatch.setattr(engine, "decompose", recorded)
    path = make_bundle(tmp_path, "toy")
    prepared = prepare(path, Settings(models=tmp_path, provider="cpu", lanes=3, threads=3))
    assert len(prepared.engines) == 3
    assert rewritten == [(path / "model.onnx").read_bytes()]


def test_the_engines_of_a_refused_version_are_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would keep the memory of a GPU allocated."""
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, Toy())
        (draft.path / "model.onnx").write_bytes(Toy(seed=5).model().SerializeToString())
        path = draft.publish(Toy().description())
    freed: list[Engine] = []
    monkeypatch.setattr(Engine, "close", lambda engine: freed.append(engine))
    with pytest.raises(LoadError, match="the golden images differ"):
        prepare(path, Settings(models=tmp_path, threads=2), SharedCounters(2, 2))
    assert len(freed) == 3  # including the shared one
    prepare(
        make_bundle(tmp_path, "fine"), Settings(models=tmp_path, threads=2), SharedCounters(2, 2)
    )
    assert len(freed) == 3
