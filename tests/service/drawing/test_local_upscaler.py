"""Pictures enlarged in this process, beside those of the toy model in numpy."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.bundle.store.release import release
from mirage.service.drawing.local_upscaler import LocalUpscaler, open_upscaler
from mirage.service.errors import InvalidValue, Malformed, StartError
from tests.bundles import make_bundle
from tests.service.helpers.pictures import encoded, noise
from tests.upscalers import ToyUpscaler, make_upscaler


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """larger 1 is released, 2 is not; toy is a generator."""
    root = tmp_path_factory.mktemp("models")
    make_upscaler(root)
    make_upscaler(root, toy=ToyUpscaler(seed=1))
    make_bundle(root, "toy")
    release(root, "larger", 1)
    release(root, "toy", 1)
    return root


@pytest.fixture(scope="module")
def upscaler(root: Path) -> Iterator[LocalUpscaler]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRAGE_LANES", "2")
        patch.setenv("MIRAGE_TILE", "64")
        upscaler = open_upscaler(root)
    yield upscaler
    upscaler.close()


def enlarge(upscaler: LocalUpscaler, data: bytes, scale: float | None = None) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b"".join(upscaler.enlarge(data, scale)))))


def test_finds_the_only_model_that_enlarges(upscaler: LocalUpscaler) -> None:
    assert (upscaler.model, upscaler.version, upscaler.scale) == ("larger", 1, 2)
    assert upscaler.parallel == 2


@pytest.mark.parametrize("sides", [(1, 1), (9, 13), (150, 90)])
def test_makes_the_pixels_of_the_model(upscaler: LocalUpscaler, sides: tuple[int, int]) -> None:
    picture = noise(*sides, 3)
    expected = ToyUpscaler().images(picture[None])[0].astype(int)
    assert np.abs(enlarge(upscaler, encoded(picture)) - expected).max() <= 1


def test_yields_rows_as_they_are_made(upscaler: LocalUpscaler) -> None:
    pieces = [piece for piece in upscaler.enlarge(encoded(noise(640, 80, 3))) if piece]
    assert len(pieces) > 1
    assert max(map(len, pieces)) < sum(map(len, pieces)) / 2


def test_resizes_to_smaller_scales(upscaler: LocalUpscaler) -> None:
    assert enlarge(upscaler, encoded(noise(9, 13, 3)), 1.5).shape == (14, 20, 3)


def test_threads_may_share_it(upscaler: LocalUpscaler) -> None:
    picture = encoded(noise(100, 100, 3))
    alone = enlarge(upscaler, picture)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: enlarge(upscaler, picture), range(8)))
    assert all(np.array_equal(each, alone) for each in together)


def test_goes_on_after_a_picture_that_fails_or_is_left_early(upscaler: LocalUpscaler) -> None:
    for _ in range(3):
        with pytest.raises(Malformed):
            enlarge(upscaler, b"no picture")
        pieces = upscaler.enlarge(encoded(noise(200, 80, 3)))
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
    assert enlarge(upscaler, encoded(noise(2, 2, 3))).shape == (4, 4, 3)


def test_rejects_a_scale_above_that_of_the_model(upscaler: LocalUpscaler) -> None:
    with pytest.raises(InvalidValue, match="scale is 3; larger@1 enlarges 2 times"):
        enlarge(upscaler, encoded(noise(2, 2, 3)), 3)


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("toy", None, "model is toy, whose task is generate, not upscale"),
        ("gone", None, "gone"),
        ("larger", 9, "9"),
        ("../larger", None, "does not match"),
    ],
)
def test_rejects_models_that_cannot_enlarge(
    root: Path, name: str, version: int | None, message: str
) -> None:
    with pytest.raises(StartError, match=message):
        open_upscaler(root, name, version)


def test_several_models_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="that enlarge pictures are: none"):
        open_upscaler(tmp_path)
    for name in ("larger", "other"):
        make_upscaler(tmp_path, name)
        release(tmp_path, name, 1)
    with pytest.raises(StartError, match=r"name a model; .* are: larger, other"):
        open_upscaler(tmp_path)
    upscaler = open_upscaler(tmp_path, "other")
    assert upscaler.model == "other"
    upscaler.close()


def test_settings_of_the_environment_are_checked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIRAGE_TILE", "many")
    with pytest.raises(StartError, match="tile"):
        open_upscaler(root)
