"""Versions change under load: nobody meets an error, and all bytes are of the version told."""

import asyncio
import itertools
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.store.publish import new_version
from mirage.bundle.store.release import release, rollback
from mirage.service.app import create_app
from mirage.service.settings import Settings
from mirage.service.versions.registry import ModelRegistry
from tests.bundle.helpers.hostile import HOSTILE
from tests.bundles import Toy, make_bundle, write_toy
from tests.service.helpers.requests import NPY

CLIENTS = 4
TOYS = {f"toy@{version}": Toy(seed=version) for version in (1, 2)}
Test = Callable[["Load", ModelRegistry], Awaitable[None]]


class Load:
    """Clients that ask as soon as they are answered, and check every byte."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self._seeds = itertools.count()
        self.models: Counter[str] = Counter()

    async def run(self) -> None:
        while True:
            await self.ask()

    async def ask(self) -> None:
        seed = next(self._seeds)
        fields = {"seed": seed, "count": 1 + seed % 5}
        answer = await self._client.post("/generate", json=fields, headers={"accept": NPY})
        assert answer.status_code == 200, answer.text
        model = answer.headers["x-model"]
        latents, labels = draw_latents(seed, 0, fields["count"], 5, 10)
        images = TOYS[model].images(latents, labels)
        assert answer.content.endswith(images.tobytes())
        self.models[model] += 1

    async def answers(self, model: str, count: int = CLIENTS) -> None:
        """Wait until so many more answers are of this version."""
        reached = self.models[model] + count
        while self.models[model] < reached:
            await asyncio.sleep(0)


@asynccontextmanager
async def under_load(root: Path) -> AsyncIterator[tuple[Load, ModelRegistry]]:
    """The application and its clients; an error of any of them is raised at the end."""
    settings = Settings(models=root, threads=1, encode_threads=1, release_poll_s=3600)
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client,
    ):
        load = Load(client)
        clients = [asyncio.create_task(load.run()) for _ in range(CLIENTS)]
        try:
            yield load, app.state.service.models
        finally:
            for task in clients:
                task.cancel()
            ended = await asyncio.gather(*clients, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended


def with_load(test: Test, root: Path) -> None:
    async def run() -> None:
        async with under_load(root) as (load, models):
            await test(load, models)

    asyncio.run(asyncio.wait_for(run(), 120))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with versions 1 and 2 of a toy, 1 released."""
    for toy in TOYS.values():
        make_bundle(tmp_path, seed=toy.seed)
    release(tmp_path, "toy", 1)
    return tmp_path


def ask_for(root: Path, version: int) -> None:
    """Release what `release` would refuse."""
    beside = root / "toy" / ".release.json"
    beside.write_text(json.dumps({"version": version}))
    os.replace(beside, root / "toy" / "release.json")


def test_20_releases_and_rollbacks_cost_no_request(root: Path) -> None:
    async def test(load: Load, models: ModelRegistry) -> None:
        for number in range(20):
            if number % 4 < 2:
                release(root, "toy", 2 - number % 2)
            else:
                rollback(root, "toy")
            await models.refresh()
            expected = f"toy@{models.released('toy')}"
            await load.answers(expected)
        assert set(load.models) == set(TOYS)
        while len(models.loaded("toy")) > 1:
            await asyncio.sleep(0)

    with_load(test, root)


def test_hostile_bundles_that_are_released_cost_no_request(root: Path) -> None:
    async def test(load: Load, models: ModelRegistry) -> None:
        for tamper, reason, _ in HOSTILE:
            path = make_bundle(root)
            (path.parent / "outside").unlink(missing_ok=True)
            tamper(path)
            ask_for(root, int(path.name))
            await models.refresh()
            await load.answers("toy@1")
            model = models.get("toy")
            assert model is not None
            assert model.refusal is not None
            assert (model.refusal.version, model.refusal.reason) == (int(path.name), reason)
        assert list(load.models) == ["toy@1"]

    with_load(test, root)


def other_weights(model: onnx.ModelProto) -> None:
    model.CopyFrom(Toy(seed=5).model())


def too_few_classes(model: onnx.ModelProto) -> None:
    """The static checks cannot see that the graph fails for the labels 5 … 9."""
    (style,) = (tensor for tensor in model.graph.initializer if tensor.name == "style")
    style.CopyFrom(numpy_helper.from_array(Toy().style[:5], "style"))


@pytest.mark.parametrize(
    ("change", "reason"), [(other_weights, "golden_mismatch"), (too_few_classes, "load_failed")]
)
def test_a_graph_that_runs_wrongly_costs_no_request(
    root: Path, change: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    async def test(load: Load, models: ModelRegistry) -> None:
        toy = Toy()
        graph = toy.model()
        change(graph)
        with new_version(root, "toy") as draft:
            write_toy(draft.path, toy)
            (draft.path / "model.onnx").write_bytes(graph.SerializeToString())
            draft.publish(toy.description())
        release(root, "toy", 3)
        await models.refresh()
        await load.answers("toy@1")
        model = models.get("toy")
        assert model is not None
        assert model.refusal is not None
        assert model.refusal.reason == reason

    with_load(test, root)


def test_the_two_versions_make_other_images(root: Path) -> None:
    latents, labels = draw_latents(0, 0, 1, 5, 10)
    first, second = (toy.images(latents, labels) for toy in TOYS.values())
    assert not np.array_equal(first, second)
