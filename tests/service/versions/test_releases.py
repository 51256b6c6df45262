"""A model follows its releases: new versions, canaries, refusals."""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.format.latents import takes_canary
from mirage.bundle.format.manifest import Member
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import Canary, Release, release, rollback
from mirage.service.errors import NoSuchModel
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateJob
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions.registry import ModelRegistry
from mirage.service.versions.releases import ReleasedModel
from tests.bundles import Toy, make_bundle, publish_toy

Test = Callable[[ModelRegistry, Metrics], Awaitable[None]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with versions 1, 2 and 3 of a toy, 1 released."""
    for seed in range(3):
        make_bundle(tmp_path, seed=seed)
    release(tmp_path, "toy", 1)
    return tmp_path


def with_models(test: Test, root: Path, default: str | None = "toy") -> None:
    async def run() -> None:
        metrics = Metrics()
        models = ModelRegistry(Settings(models=root, default_model=default, threads=1), metrics)
        try:
            await models.open()
            await test(models, metrics)
        finally:
            await models.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def write(root: Path, text: str) -> None:
    """Write a new file, as `replace_file` does."""
    beside = root / "toy" / ".release.json"
    beside.write_text(text)
    os.replace(beside, root / "toy" / "release.json")


def break_version(root: Path, version: int) -> None:
    (root / "toy" / str(version) / "model.onnx").write_bytes(b"broken")


def samples(metrics: Metrics, name: str) -> dict[str, float]:
    """Return the values of a metric by version and reason."""
    metrics.sampler.sample()
    return {
        "/".join(sample.labels.get(label, "") for label in ("version", "reason")): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


async def serving(models: ModelRegistry, seed: int | None = None) -> int:
    return (await models.find("toy", None, seed)).manifest.version


async def in_memory(models: ModelRegistry, expected: list[int]) -> None:
    """Wait until the versions in memory are those expected: they are closed in the background."""
    while [version.manifest.version for version in models.loaded("toy")] != expected:
        await asyncio.sleep(0)


def test_a_new_release_is_served_and_the_old_one_is_unloaded(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        release(root, "toy", 2)
        assert await serving(models) == 1, "nothing changes before the next poll"
        await models.refresh()
        assert await serving(models) == 2
        await in_memory(models, [2])
        assert samples(metrics, "mirage_model_released") == {"1/": 0, "2/": 1}
        rollback(root, "toy")
        await models.refresh()
        assert await serving(models) == 1
        assert samples(metrics, "mirage_reloads_total")["/ok"] == 3

    with_models(test, root)


def test_a_request_finishes_on_the_version_that_it_found(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        golden = Toy().golden()
        with await models.lease("toy", None) as old:
            release(root, "toy", 2)
            await models.refresh()
            assert await serving(models) == 2
            result = await old.generate(
                GenerateJob(
                    golden.cases[0].inputs["latents"], golden.cases[0].inputs["labels"], None, 0
                ),
                10**9,
            )
        assert np.array_equal(result.rows, golden.cases[0].output)
        while samples(metrics, "mirage_model_loaded")["1/"]:
            await asyncio.sleep(0)
        assert samples(metrics, "mirage_model_loaded") == {"1/": 0, "2/": 1}
        for gauge in ("queued_images", "queue_oldest_seconds", "batch_running_seconds"):
            assert samples(metrics, f"mirage_{gauge}") == {"1/": 0, "2/": 0}

    with_models(test, root)


def test_a_refused_release_keeps_the_old_one_and_is_not_retried(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        release(root, "toy", 2)
        break_version(root, 2)
        for _ in range(3):
            await models.refresh()
            assert await serving(models) == 1
        assert samples(metrics, "mirage_model_refused_total") == {"2/file_size": 1}
        assert samples(metrics, "mirage_release_refused") == {"2/file_size": 1}
        model = models.get("toy")
        assert model is not None
        assert model.refusal is not None
        assert (model.refusal.version, model.refusal.of_canary) == (2, False)
        write(root, '{"version": 2}')
        await models.refresh()
        assert samples(metrics, "mirage_model_refused_total") == {"2/file_size": 2}
        release(root, "toy", 3)
        await models.refresh()
        assert await serving(models) == 3
        assert model.refusal is None
        assert samples(metrics, "mirage_release_refused") == {"2/file_size": 0}

    with caplog.at_level(logging.ERROR):
        with_models(test, root)
    assert "model refused name=toy version=2 reason=file_size" in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "release_unreadable"), ('{"version": "2"}', "release_unreadable"), ("", None)],
)
def test_a_broken_or_missing_release_file_keeps_the_served_version(
    root: Path, text: str, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        if reason is None:
            (root / "toy" / "release.json").unlink()
        else:
            write(root, text)
        await models.refresh()
        assert await serving(models) == 1
        refused = reason or "release_missing"
        assert samples(metrics, "mirage_release_refused") == {f"/{refused}": 1}
        assert f"model refused name=toy reason={refused}" in caplog.text
        write(root, '{"version": 1}')
        await models.refresh()
        assert samples(metrics, "mirage_release_refused") == {f"/{refused}": 0}

    with_models(test, root)


def test_a_missing_folder_keeps_the_served_version(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        root.rename(root.with_name("gone"))
        for _ in range(2):
            await models.refresh()
        assert await serving(models) == 1
        assert samples(metrics, "mirage_models_unreadable") == {"/": 1}
        root.with_name("gone").rename(root)
        await models.refresh()
        assert samples(metrics, "mirage_models_unreadable") == {"/": 0}

    with_models(test, root)
    assert caplog.text.count("models not read") == 1


def test_a_new_model_is_found_once_it_is_released(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        make_bundle(root, "late")
        await models.refresh()
        with pytest.raises(NoSuchModel):
            await models.find("late", None)
        release(root, "late", 1)
        await models.refresh()
        assert (await models.find("late", None)).manifest.name == "late"

    with_models(test, root)


def test_an_error_while_following_is_logged_and_polling_continues(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        polled = asyncio.Queue[None]()

        async def fail() -> None:
            polled.put_nowait(None)
            raise RuntimeError("a fault")

        monkeypatch.setattr(models, "refresh", fail)
        monkeypatch.setattr(
            models, "_settings", Settings(models=root, release_poll_s=1e-3), raising=True
        )
        following = asyncio.create_task(models.follow())
        for _ in range(3):
            await polled.get()
        following.cancel()

    with_models(test, root)
    assert "releases not followed" in caplog.text


def test_an_error_with_one_model_does_not_affect_the_others(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        make_bundle(root, "ill")
        release(root, "ill", 1)
        release(root, "toy", 2)
        follow = ReleasedModel.follow

        async def fail(model: ReleasedModel, wanted: Release) -> None:
            if model.name == "ill":
                raise RuntimeError("a fault")
            await follow(model, wanted)

        monkeypatch.setattr(ReleasedModel, "follow", fail)
        await models.refresh()
        assert await serving(models) == 2

    with_models(test, root)
    assert "release not followed name=ill" in caplog.text


def test_a_canary_answers_for_its_share_of_the_seeds(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        release(root, "toy", 1, Canary(2, 0.3))
        await models.refresh()
        for seed in range(200):
            assert await serving(models, seed) == (2 if takes_canary("toy", seed, 0.3) else 1)
        assert await serving(models) == 1, "posted latents get the released version"
        assert (await models.find("toy", 1, 0)).manifest.version == 1
        assert samples(metrics, "mirage_model_canary_share") == {"2/": 0.3}

    with_models(test, root)


def test_the_share_of_a_canary_changes_without_loading(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        release(root, "toy", 1, Canary(2, 0.0))
        await models.refresh()
        canary = models.loaded("toy")[1]
        release(root, "toy", 1, Canary(2, 1.0))
        await models.refresh()
        assert await models.find("toy", None, 7) is canary
        release(root, "toy", 2)
        await models.refresh()
        assert await models.find("toy", None) is canary, "the canary is the released version now"
        assert samples(metrics, "mirage_model_canary_share") == {"2/": 0}
        await in_memory(models, [2])

    with_models(test, root)


def test_a_rollback_drops_the_canary(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        release(root, "toy", 2, Canary(3, 1.0))
        await models.refresh()
        assert await serving(models, 7) == 3
        rollback(root, "toy")
        await models.refresh()
        assert await serving(models, 7) == 1
        await in_memory(models, [1])

    with_models(test, root)


@pytest.mark.parametrize("kind", ["broken", "other shape"])
def test_a_refused_canary_does_not_affect_the_release(root: Path, kind: str) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        if kind == "broken":
            break_version(root, 3)
        else:
            publish_toy(root, Toy(latent_dim=6))
        number = 3 if kind == "broken" else 4
        record = {"version": 2, "canary": {"version": number, "share": 1.0}}
        write(root, json.dumps(record))
        await models.refresh()
        assert [await serving(models, seed) for seed in range(9)] == [2] * 9
        reason = "file_size" if kind == "broken" else "canary_mismatch"
        assert samples(metrics, "mirage_release_refused") == {f"{number}/{reason}": 1}
        model = models.get("toy")
        assert model is not None
        assert model.refusal is not None
        assert model.refusal.of_canary
        await in_memory(models, [2])

    with_models(test, root)


def test_a_refused_canary_does_not_prevent_the_start(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        assert await serving(models, 7) == 1

    break_version(root, 3)
    write(root, '{"version": 1, "canary": {"version": 3, "share": 1.0}}')
    with_models(test, root)


def test_a_released_ensemble_keeps_its_members_in_memory(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        release(root, "toy", 4)
        await models.refresh()
        assert await serving(models) == 4
        await in_memory(models, [4, 1, 2])
        assert await models.find("toy", 1) in models.loaded("toy"), "it is in memory already"
        release(root, "toy", 2)
        await models.refresh()
        models._on_demand.forget(("toy", 1))
        await in_memory(models, [2])

    publish_ensemble(root, "toy", [Member(version=v, weight=1.0) for v in (1, 2)])
    with_models(test, root)


def test_an_ensemble_with_a_broken_member_is_refused(root: Path) -> None:
    async def test(models: ModelRegistry, metrics: Metrics) -> None:
        write(root, '{"version": 4}')
        break_version(root, 3)
        await models.refresh()
        assert await serving(models) == 1
        assert samples(metrics, "mirage_release_refused") == {"4/file_size": 1}
        await in_memory(models, [1])

    publish_ensemble(root, "toy", [Member(version=v, weight=1.0) for v in (2, 3)])
    with_models(test, root)
