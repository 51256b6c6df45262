import io
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirage.bundle.errors import BundleError
from mirage.bundle.format.golden import (
    PICTURE_SIZES,
    Case,
    Golden,
    golden_inputs,
    golden_pictures,
    golden_tile,
    read_golden,
    write_golden,
)
from mirage.bundle.format.interface import Image, generator_tensors, picture_tensors
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.limits import Limits
from mirage.bundle.format.manifest import Manifest, PictureModel
from mirage.bundle.format.verify import read_manifest
from tests.bundles import Toy, make_bundle

TOY = Toy()


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_manifest(make_bundle(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("golden") / "golden.npz"
    write_golden(path, TOY.golden())
    return path.read_bytes()


def archive(compression: int = zipfile.ZIP_DEFLATED, **arrays: Any) -> bytes:
    """The toy's golden images with some arrays replaced; bytes are written as they are."""
    (golden,) = TOY.golden().cases
    members = {**golden.inputs, "images": golden.output}
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", compression) as file:
        for name, content in (members | arrays).items():
            if content is not None:
                file.writestr(f"{name}.npy", npy(content))
    return raw.getvalue()


def npy(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    raw = io.BytesIO()
    np.save(raw, content)
    return raw.getvalue()


def refusal(raw: bytes, manifest: Manifest) -> str:
    with pytest.raises(BundleError) as caught:
        read_golden(raw, manifest)
    assert caught.value.reason == "golden_invalid"
    return str(caught.value)


def test_inputs_are_the_latents_of_seed_0_and_cyclic_labels() -> None:
    inputs = golden_inputs(64, 3)
    np.testing.assert_array_equal(inputs["latents"], draw_latents(0, 0, 8, 64)[0])
    assert inputs["labels"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert list(golden_inputs(64, 0)) == ["latents"]


def test_round_trips(sound: bytes, manifest: Manifest) -> None:
    golden = read_golden(sound, manifest)
    (case,), (written,) = golden.cases, TOY.golden().cases
    assert list(case.inputs) == list(written.inputs) == ["latents", "labels"]
    for name, values in written.inputs.items():
        np.testing.assert_array_equal(case.inputs[name], values)
    np.testing.assert_array_equal(case.output, written.output)


def test_equal_arrays_give_equal_bytes(sound: bytes, tmp_path: Path) -> None:
    write_golden(tmp_path / "golden.npz", TOY.golden())
    assert (tmp_path / "golden.npz").read_bytes() == sound


def test_reads_an_uncompressed_archive(manifest: Manifest) -> None:
    golden = read_golden(archive(zipfile.ZIP_STORED), manifest)
    np.testing.assert_array_equal(golden.cases[0].output, TOY.golden().cases[0].output)


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"labels": None}, "holds ['images.npy', 'latents.npy']; expected are"),
        ({"extra": np.zeros(1)}, "'extra.npy'"),
        ({"latents": np.zeros((8, 4), np.float32)}, "'shape': (8, 4), }"),
        ({"latents": np.zeros((8, 5), np.float64)}, "'descr': '<f8'"),
        ({"latents": np.zeros((8, 5), ">f4")}, "'descr': '>f4'"),
        ({"latents": np.asfortranarray(np.zeros((8, 5), np.float32))}, "'fortran_order': True"),
        ({"latents": np.full((8, 5), np.nan, np.float32)}, "must be finite"),
        ({"latents": np.full((8, 5), 101, np.float32)}, "within ±100"),
        ({"labels": np.full(8, 10, np.int64)}, "must be in 0 … 9"),
        ({"labels": np.full(8, -1, np.int64)}, "must be in 0 … 9"),
        ({"images": np.zeros((8, 8, 12, 3), np.uint8)}, "images.npy unpacks to"),
        ({"images": b""}, "images.npy begins with b''"),
        ({"images": b"\x93NUMPY\x02\x00" + bytes(800)}, "images.npy begins with"),
    ],
)
def test_rejects_arrays_that_differ_from_the_manifest(
    arrays: dict[str, Any], named: str, manifest: Manifest
) -> None:
    assert named in refusal(archive(**arrays), manifest)


def test_rejects_a_pickle_without_running_it(manifest: Manifest, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "was run",)

    pickled = np.array([Touch(), *[None] * 7], dtype=object)
    assert "'descr': '|O'" in refusal(archive(labels=pickled), manifest)
    assert not (tmp_path / "was run").exists()


def test_rejects_a_bomb_before_decompressing_it(manifest: Manifest) -> None:
    assert "unpacks to 50000000 bytes" in refusal(archive(images=bytes(50_000_000)), manifest)


def test_rejects_a_bomb_with_a_false_size(manifest: Manifest) -> None:
    bomb = archive(images=bytes(1_000_000))
    lie = bomb.replace((1_000_000).to_bytes(4, "little"), (800).to_bytes(4, "little"))
    assert lie != bomb
    refusal(lie, manifest)


def test_rejects_a_manifest_with_huge_images(sound: bytes, manifest: Manifest) -> None:
    huge = manifest.model_copy(
        update=generator_tensors(5, 10, Image(height=8192, width=8192, channels=4))
    )
    assert "over 268435456 bytes" in refusal(sound, huge)


def test_the_limit_applies_to_decompressed_images(sound: bytes, manifest: Manifest) -> None:
    with pytest.raises(BundleError, match="over 991 bytes"):
        read_golden(sound, manifest, Limits(golden_bytes=991))
    read_golden(sound, manifest, Limits(golden_bytes=992))


def test_rejects_an_archive_with_many_entries_before_opening_it(manifest: Manifest) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        for number in range(70_000):  # more than 65535 entries need a ZIP64 record
            file.writestr(str(number), b"")
    assert "lists too many files" in refusal(raw.getvalue(), manifest)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rejects_other_compressions(method: int, manifest: Manifest) -> None:
    assert "compression" in refusal(archive(method), manifest)


def test_an_unconditional_model_has_no_labels(manifest: Manifest) -> None:
    tensors = generator_tensors(5, 0, manifest.image)
    unconditional = manifest.model_copy(update={"labels": (), **tensors})
    assert list(read_golden(archive(labels=None), unconditional).cases[0].inputs) == ["latents"]
    assert "expected are" in refusal(archive(), unconditional)


def test_rejects_a_truncated_file(sound: bytes, manifest: Manifest) -> None:
    assert "cut short" in refusal(sound[:-30], manifest)


@given(place=st.integers(0, 10_000), damage=st.binary(min_size=1, max_size=4))
def test_any_damage_gives_a_golden_error(
    place: int, damage: bytes, sound: bytes, manifest: Manifest
) -> None:
    raw = bytearray(sound)
    place %= len(raw)
    raw[place : place + len(damage)] = damage
    with suppress(BundleError):
        read_golden(bytes(raw), manifest)


def pictures_manifest(manifest: Manifest, scale: int, channels: int) -> Manifest:
    rules = PictureModel(scale=scale, multiple=2, halo=3, border="replicate", degradation="bicubic")
    changes = {"task": "upscale", "labels": (), "directions": (), "pictures": rules}
    return manifest.model_copy(update=changes | picture_tensors(channels, scale))


@pytest.mark.parametrize(("scale", "channels"), [(1, 4), (2, 1), (4, 3)])
def test_round_trips_pictures_of_several_sizes(
    scale: int, channels: int, manifest: Manifest, tmp_path: Path
) -> None:
    cases = tuple(
        Case({"pictures": picture}, picture.repeat(scale, axis=1).repeat(scale, axis=2))
        for picture in golden_pictures(channels, multiple=2)
    )
    write_golden(tmp_path / "golden.npz", Golden(cases))
    raw = (tmp_path / "golden.npz").read_bytes()
    found = read_golden(raw, pictures_manifest(manifest, scale, channels)).cases
    assert [case.output.shape for case in found] == [case.output.shape for case in cases]
    for case, written in zip(found, cases, strict=True):
        np.testing.assert_array_equal(case.inputs["pictures"], written.inputs["pictures"])
        np.testing.assert_array_equal(case.output, written.output)
    other = pictures_manifest(manifest, scale + 1, channels)
    assert "images_0.npy begins with" in refusal(raw, other)


def test_golden_pictures_are_deterministic() -> None:
    first, second = list(golden_pictures(3)), list(golden_pictures(3))
    assert [picture.shape[1:3] for picture in first] == list(PICTURE_SIZES)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(np.unique(first[-1])) > 200


@pytest.mark.parametrize(("halo", "multiple"), [(0, 1), (2, 1), (12, 1), (34, 1), (11, 4)])
def test_the_largest_picture_is_cut_into_tiles_with_and_without_its_borders(
    halo: int, multiple: int
) -> None:
    rules = PictureModel(
        scale=2, multiple=multiple, halo=halo, border="replicate", degradation="bicubic"
    )
    side = golden_tile(rules)
    step = (side - 2 * halo) // multiple * multiple
    assert side % multiple == 0
    assert step > 0
    height, width = (multiple * pixels for pixels in PICTURE_SIZES[-1])
    assert side + step < height
    assert side < width
