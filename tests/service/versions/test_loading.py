"""The golden check."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.format.golden import Golden
from mirage.bundle.format.verify import Bundle, load_bundle
from mirage.service.engines.engine import Engine
from mirage.service.engines.providers import ProviderConfig
from mirage.service.versions.loading import golden_check

CPU = ProviderConfig("cpu")


@pytest.fixture
def bundle(models_root: Path) -> Bundle:
    return load_bundle(models_root / "toy/1")


def off_by(golden: Golden, levels: int) -> Golden:
    """Return the golden images with one pixel value changed by `levels`."""
    (case,) = golden.cases
    images = case.output.copy()
    at = tuple(np.argwhere((images > 100) & (images < 150))[0])
    images[at] += levels
    return Golden((replace(case, output=images),))


def test_equal_images_pass(bundle: Bundle) -> None:
    deviation = golden_check(Engine(bundle, CPU), bundle.golden)
    assert deviation.passes
    assert deviation.max == 0


@pytest.mark.parametrize(("levels", "passes"), [(1, True), (2, False)])
def test_a_difference_of_one_is_allowed(bundle: Bundle, levels: int, passes: bool) -> None:
    deviation = golden_check(Engine(bundle, CPU), off_by(bundle.golden, levels))
    assert (deviation.max, deviation.passes) == (levels, passes)
    assert "grey levels at most" in str(deviation)


@pytest.mark.parametrize(("tolerance", "passes"), [(0.0, False), (200.0, True)])
def test_a_manifest_can_tighten_the_tolerance_but_not_widen_it(
    bundle: Bundle, tolerance: float, passes: bool
) -> None:
    manifest = bundle.manifest.model_copy(update={"golden_tolerance": tolerance})
    engine = Engine(replace(bundle, manifest=manifest), CPU)
    assert golden_check(engine, off_by(bundle.golden, 1)).passes == passes
    assert not golden_check(engine, off_by(bundle.golden, 2)).passes


@pytest.mark.parametrize(("levels", "passes"), [(2, True), (3, False)])
def test_a_difference_of_two_is_allowed_in_reduced_precision(
    bundle: Bundle, levels: int, passes: bool
) -> None:
    engine = Engine(bundle, CPU)
    engine.config = replace(CPU, precision="bfloat16")
    assert golden_check(engine, off_by(bundle.golden, levels)).passes == passes


def test_the_mean_difference_is_limited_in_reduced_precision(bundle: Bundle) -> None:
    engine = Engine(bundle, CPU)
    engine.config = replace(CPU, precision="bfloat16")
    (case,) = bundle.golden.cases
    off = np.where(case.output < 255, case.output + 1, case.output).astype(np.uint8)
    deviation = golden_check(engine, Golden((replace(case, output=off),)))
    assert deviation.max == 1
    assert not deviation.passes
