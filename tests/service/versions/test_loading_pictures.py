"""Models that take pictures are checked in tiles before they serve."""

from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Member
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.publish import publish_ensemble
from mirage.bundle.store.release import Canary, release
from mirage.service.engines.engine import Engine
from mirage.service.engines.providers import ProviderConfig
from mirage.service.settings import Settings
from mirage.service.versions.loading import LoadError, golden_check, prepare, tiling_check
from tests.service.helpers.pictures import noise
from tests.upscalers import RADIUS, ToyUpscaler, make_upscaler

CPU = ProviderConfig("cpu")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_sound_bundle_passes_both_checks(tmp_path: Path, channels: int, scale: int) -> None:
    toy = ToyUpscaler(channels=channels, scale=scale)  # type: ignore[arg-type]
    bundle = load_bundle(make_upscaler(tmp_path, toy=toy))
    engine = Engine(bundle, CPU)
    assert golden_check(engine, bundle.golden).passes
    assert tiling_check(engine, bundle.golden).max == 0
    pictures = noise(2, 9, 7, channels)
    assert np.abs(engine.run([pictures]).astype(int) - toy.images(pictures)).max() <= 1


def test_a_halo_that_is_too_small_is_refused(tmp_path: Path) -> None:
    folder = make_upscaler(tmp_path, toy=ToyUpscaler(halo=RADIUS - 1))
    with pytest.raises(LoadError, match="tiles differ from whole pictures") as caught:
        prepare(folder, Settings(threads=1))
    assert (caught.value.reason, caught.value.is_final) == ("golden_mismatch", True)


@pytest.mark.parametrize(("tile", "side"), [(16, 16), (256, 256)])
def test_the_cost_is_learned_by_the_pixel(tmp_path: Path, tile: int, side: int) -> None:
    prepared = prepare(make_upscaler(tmp_path), Settings(threads=1, tile=tile))
    assert (prepared.tile, prepared.max_batch_size) == (side, side * side)
    assert 0 < prepared.cost.estimate_s(side * side) < 10
    for engine in prepared.all_engines:
        engine.close()


def test_a_large_halo_makes_larger_tiles(tmp_path: Path) -> None:
    folder = make_upscaler(tmp_path, toy=ToyUpscaler(halo=30))
    prepared = prepare(folder, Settings(threads=1, tile=64))
    assert prepared.tile == 120
    for engine in prepared.all_engines:
        engine.close()


def test_a_provider_of_one_batch_size_is_refused_for_pictures(
    tmp_path: Path,
) -> None:
    folder = make_upscaler(tmp_path)
    with pytest.raises(LoadError, match="runs no models that take pictures; cpu and auto do"):
        prepare(folder, Settings(threads=1, provider="cuda"))


def test_models_of_pictures_make_no_ensembles(tmp_path: Path) -> None:
    for seed in range(2):
        make_upscaler(tmp_path, toy=ToyUpscaler(seed=seed))
    members = [Member(version=version, weight=1.0) for version in (1, 2)]
    with pytest.raises(BundleError, match="only generate is allowed"):
        publish_ensemble(tmp_path, "larger", members)


def test_a_canary_must_enlarge_as_much(tmp_path: Path) -> None:
    for scale in (2, 3):
        make_upscaler(tmp_path, toy=ToyUpscaler(scale=scale))
    with pytest.raises(BundleError, match=r"3\*H.*2\*H"):
        release(tmp_path, "larger", 1, Canary(2, 0.5))
