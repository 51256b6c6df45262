"""The registry: released versions, versions on demand, refusals, eviction."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mirage.bundle.store.publish import new_version
from mirage.bundle.store.release import release
from mirage.service.errors import (
    Draining,
    InvalidValue,
    ModelRefused,
    NoSuchModel,
    NotReady,
    Overloaded,
    StartError,
)
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateJob
from mirage.service.telemetry.metrics import Metrics
from mirage.service.versions import cache
from mirage.service.versions.registry import ModelRegistry
from tests.bundles import Toy, make_bundle, write_toy

Test = Callable[[ModelRegistry], Awaitable[None]]


def with_models(test: Test, root: Path, default: str | None = None, **changes: object) -> None:
    async def run() -> None:
        settings = Settings(models=root, default_model=default, threads=1)
        models = ModelRegistry(settings.model_copy(update=changes), Metrics())
        try:
            await models.open()
            await test(models)
        finally:
            await models.close()

    asyncio.run(run())


async def nothing(_: ModelRegistry) -> None:
    """Only open and close."""


def break_model(version: Path) -> None:
    model = version / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])


def test_the_default_model_is_that_of_the_settings(models_root: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        found = await models.find(None, None)
        assert (found.manifest.name, found.manifest.version) == ("toy", 1)
        assert models.is_default("toy")
        assert not models.is_default("plain")

    with_models(test, models_root, "toy")


def test_the_only_released_model_is_the_default(tmp_path: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        assert (await models.find(None, None)).manifest.name == "one"
        assert models.is_default("one")

    make_bundle(tmp_path, "one")
    make_bundle(tmp_path, "two")
    release(tmp_path, "one", 1)
    with_models(test, tmp_path)


def test_several_released_models_have_no_default(models_root: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        with pytest.raises(InvalidValue, match="plain, toy"):
            await models.find(None, None)

    with_models(test, models_root)


def test_without_releases_a_model_needs_a_version(tmp_path: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        with pytest.raises(NoSuchModel, match="no model is released"):
            await models.find(None, None)
        assert (await models.find("toy", 1)).manifest.version == 1

    make_bundle(tmp_path)
    with_models(test, tmp_path)


def test_the_released_version_answers_rather_than_the_newest(models_root: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        assert models.released("toy") == 1
        assert (await models.find("toy", None)).manifest.version == 1
        assert (await models.find("toy", 2)).manifest.version == 2

    with_models(test, models_root)


def test_concurrent_requests_load_a_version_once(models_root: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        found = await asyncio.gather(*(models.find("toy", 2) for _ in range(20)))
        assert len({id(version) for version in found}) == 1

    with_models(test, models_root)


def test_at_most_as_many_versions_are_loaded_at_once_as_are_kept(tmp_path: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        found = await asyncio.gather(
            *(models.find("toy", version) for version in (1, 2, 3)), return_exceptions=True
        )
        assert sum(isinstance(answer, Overloaded) for answer in found) == 1
        assert (await models.find("toy", 3)).manifest.version == 3

    for _ in range(3):
        make_bundle(tmp_path)
    with_models(test, tmp_path, on_demand_versions=2)


def test_a_cancelled_request_does_not_cancel_loading(models_root: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        cancelled = asyncio.create_task(models.find("toy", 2))
        other = asyncio.create_task(models.find("toy", 2))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert (await other).manifest.version == 2

    with_models(test, models_root)


def test_an_evicted_version_finishes_its_requests(tmp_path: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        first = await models.find("toy", 1)
        latents, labels = Toy().golden().cases[0].inputs.values()
        pending = asyncio.create_task(first.generate(GenerateJob(latents, labels, None, 0), 10**9))
        await asyncio.sleep(0)
        await models.find("toy", 2)
        await models.find("toy", 3)
        assert [s.manifest.version for s in models.loaded("toy")] == [2, 3]
        assert len((await pending).rows) == 8
        await models.find("toy", 2)
        again = await models.find("toy", 1)
        assert again is not first
        assert [s.manifest.version for s in models.loaded("toy")] == [2, 1]

    for _ in range(3):
        make_bundle(tmp_path)
    with_models(test, tmp_path, on_demand_versions=2)


@pytest.mark.parametrize(("name", "version"), [("toy", 9), ("nope", None), ("../toy", 1)])
def test_an_unpublished_version_is_not_found(
    models_root: Path, name: str, version: int | None
) -> None:
    async def test(models: ModelRegistry) -> None:
        with pytest.raises(NoSuchModel):
            await models.find(name, version)

    with_models(test, models_root)


def test_a_refused_version_is_loaded_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(models: ModelRegistry) -> None:
        for _ in range(2):
            with pytest.raises(ModelRefused, match=r"version 1 of toy .*: file_size") as caught:
                await models.find("toy", 1)
            assert caught.value.retry_after_s is not None
        shutil.copy(good / "model.onnx", bad / "model.onnx")
        with pytest.raises(ModelRefused):
            await models.find("toy", 1)
        monkeypatch.setattr(cache.time, "monotonic", lambda: 10.0**9)
        assert (await models.find("toy", 1)).manifest.version == 1

    bad, good = make_bundle(tmp_path), make_bundle(tmp_path)
    break_model(bad)
    with_models(test, tmp_path)


def test_a_bundle_whose_golden_images_differ_is_refused(tmp_path: Path) -> None:
    async def test(models: ModelRegistry) -> None:
        with pytest.raises(ModelRefused, match="golden_mismatch"):
            await models.find("toy", 1)

    toy = Toy()
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, toy)
        other = Toy(seed=5)
        (draft.path / "model.onnx").write_bytes(other.model().SerializeToString())
        draft.publish(toy.description())
    with_models(test, tmp_path)


def test_a_closed_registry_finds_nothing(models_root: Path) -> None:
    async def run() -> None:
        models = ModelRegistry(Settings(models=models_root), Metrics())
        with pytest.raises(NotReady):
            await models.find("toy", None)
        await models.open()
        assert models.ready
        await models.close()
        assert not models.ready
        with pytest.raises(Draining):
            await models.find("toy", None)

    asyncio.run(run())


def test_a_missing_folder_prevents_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="absent"):
        with_models(nothing, tmp_path / "absent")


def test_a_missing_default_model_prevents_the_start(models_root: Path) -> None:
    with pytest.raises(StartError, match=r"default_model is 'mnist'.*plain, rgb, toy"):
        with_models(nothing, models_root, "mnist")


def test_an_unreleased_default_model_prevents_the_start(models_root: Path) -> None:
    with pytest.raises(StartError, match="default_model is 'rgb'; it has no released version"):
        with_models(nothing, models_root, "rgb")


@pytest.mark.parametrize("default", [None, "toy"])
def test_a_broken_default_model_prevents_the_start(tmp_path: Path, default: str | None) -> None:
    version = make_bundle(tmp_path)
    release(tmp_path, "toy", 1)
    break_model(version)
    with pytest.raises(StartError, match=r"model toy was refused \(file_size\)"):
        with_models(nothing, tmp_path, default)


@pytest.mark.parametrize("broken", ["model", "release"])
def test_a_broken_model_other_than_the_default_is_logged(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(models: ModelRegistry) -> None:
        assert (await models.find(None, None)).manifest.name == "toy"
        with pytest.raises(NoSuchModel):
            await models.find("other", None)

    for name in ("toy", "other"):
        make_bundle(tmp_path, name)
        release(tmp_path, name, 1)
    if broken == "model":
        break_model(tmp_path / "other/1")
    else:
        (tmp_path / "other/release.json").write_text("{")
    with caplog.at_level(logging.ERROR):
        with_models(test, tmp_path, "toy")
    assert "model refused name=other" in caplog.text
