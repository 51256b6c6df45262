"""Generators of others, exported by PyTorch, answer as bundles with the images of PyTorch."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.bundle.errors import BundleError
from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.release import release
from mirage.service.engines.engine import Engine, optimized
from mirage.service.engines.providers import ProviderConfig
from mirage.service.importing.card import Origin
from mirage.service.importing.errors import ReplayError
from mirage.service.importing.importer import import_generator
from mirage.service.importing.ports import Choices
from tests.service.conftest import ClientOf
from tests.service.importing.conftest import Exported
from tests.service.importing.graphs import with_batch_in_a_constant
from tests.service.importing.networks import CLASSES, LATENT_DIM

ORIGIN = Origin(license="cc-by-4.0", data="faces of cats")
SYMMETRIC = Choices(value_range=(-1, 1))
CHOICES = {
    "dcgan": SYMMETRIC,
    "dcgan_in_bytes": Choices(),
    "stylegan2": replace(SYMMETRIC, latents="z", fixed={"psi": 0.7}),
    "biggan": replace(SYMMETRIC, latents="z", labels="y", classes=CLASSES),
    "one_hot_biggan": replace(SYMMETRIC, latents="z", labels="y", class_names=tuple("abcdef")),
}
Get = Callable[[str], Exported]


def imported(path: Path, to: Path, choices: Choices) -> Path:
    found = import_generator(path, to, choices, ORIGIN)
    assert found.notes == ()
    return found.path


@pytest.mark.parametrize("name", CHOICES)
def test_a_bundle_makes_the_images_of_the_network(name: str, exported: Get, tmp_path: Path) -> None:
    source = exported(name)
    bundle = load_bundle(imported(source.path, tmp_path / "cats", CHOICES[name]))
    latents, _ = draw_latents(5, 0, 6, LATENT_DIM)
    labels = np.arange(6) % CLASSES
    config = ProviderConfig("cpu")
    engine = Engine(optimized(bundle, config), config)
    images = engine.run([latents, labels][: len(bundle.manifest.inputs)])
    expected = source.images(latents, labels)
    assert expected.std() > 10
    assert np.abs(images.astype(int) - expected).max() <= 1


def test_the_manifest_and_the_card_tell_the_origin(exported: Get, tmp_path: Path) -> None:
    source = exported("one_hot_biggan").path
    path = imported(source, tmp_path / "cats", CHOICES["one_hot_biggan"])
    manifest = load_bundle(path).manifest
    assert manifest.labels == tuple("abcdef")
    assert manifest.training.preset == "imported"
    assert manifest.training.data_fingerprint == sha256(source)
    card = (path / "README.md").read_text()
    assert "license: cc-by-4.0" in card
    assert "faces of cats" in card
    for file in (source, source.with_name(f"{source.name}.data")):
        assert f"| `{file.name}` | `{sha256(file)}` |" in card
    with Image.open(path / "samples.png") as sheet:
        assert sheet.size == (8 * 16, 8 * 16)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_is_served(exported: Get, tmp_path: Path, client_of: ClientOf) -> None:
    source = exported("biggan")
    imported(source.path, tmp_path / "cats", CHOICES["biggan"])
    release(tmp_path, "cats", 1)
    client = client_of(models=tmp_path, default_model="cats")
    answer = client.post(
        "/generate", json={"seed": 3, "labels": 4}, headers={"Accept": "image/png"}
    )
    assert answer.status_code == 200
    latents, _ = draw_latents(3, 0, 1, LATENT_DIM)
    expected = source.images(latents, np.array([4]))[0].astype(int)
    assert np.abs(np.asarray(Image.open(BytesIO(answer.content))) - expected).max() <= 1


def test_noise_is_refused_by_name(exported: Get, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"RandomNormalLike.*it is random"):
        imported(exported("noisy_stylegan2").path, tmp_path / "cats", SYMMETRIC)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_range_is_noted(exported: Get, tmp_path: Path) -> None:
    found = import_generator(
        exported("dcgan").path, tmp_path / "cats", Choices(value_range=(0, 1)), ORIGIN
    )
    (note,) = found.notes
    assert "lie outside --range 0:1" in note


def test_nothing_is_published_if_the_batch_size_cannot_be_freed(tmp_path: Path) -> None:
    path = tmp_path / "fixed.onnx"
    path.write_bytes(with_batch_in_a_constant(batch=4).SerializeToString())
    with pytest.raises(ReplayError, match="fixed batch size 4"):
        imported(path, tmp_path / "models" / "cats", SYMMETRIC)
    assert not (tmp_path / "models").exists()


def test_a_second_import_is_the_next_version(exported: Get, tmp_path: Path) -> None:
    for version in (1, 2):
        path = imported(exported("dcgan").path, tmp_path / "cats", SYMMETRIC)
        manifest: Manifest = load_bundle(path).manifest
        assert manifest.version == version
