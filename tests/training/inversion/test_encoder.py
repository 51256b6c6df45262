"""Encoders: what they learn through the frozen generator, and how they are published."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.verify import load_bundle
from mirage.training.__main__ import main
from mirage.training.errors import DataError, ExportError
from mirage.training.inversion.encoder import Encoder
from mirage.training.inversion.fit import Plan, fit_encoder, rate_of
from mirage.training.inversion.publish import (
    EncoderScore,
    publish_encoder,
    score_encoder,
    snapshot_of,
)
from mirage.training.publish.export import publish
from mirage.training.publish.model_card import ModelCard
from mirage.training.runs.checkpoint import Snapshot
from tests.training.helpers.snapshots import config_of, make_snapshot, sheet_of

SCORE = EncoderScore(0.25, 0.5, 10)


def drawn(snapshot: Snapshot, count: int = 64) -> tuple[np.ndarray, np.ndarray | None]:
    """Images of the generator itself, and their labels."""
    a = snapshot.architecture
    latents, labels = draw_latents(3, 0, count, a.latent_dim, a.num_classes)
    return snapshot.generate(latents, labels), labels


def untrained(snapshot: Snapshot) -> Encoder:
    a = snapshot.architecture
    torch.manual_seed(0)
    return Encoder(a.height, a.width, a.channels, a.latent_dim, a.num_classes)


def published(tmp_path: Path, snapshot: Snapshot) -> Path:
    to = tmp_path / "models" / "toy"
    return publish(snapshot, config_of(), sheet_of(snapshot), to, {}, ModelCard())


@pytest.mark.parametrize("kind", [{}, {"num_classes": 0, "channels": 4}], ids=str)
def test_training_brings_images_closer_to_their_pictures(
    tmp_path: Path, kind: dict[str, int]
) -> None:
    snapshot = make_snapshot(tmp_path, **kind)
    before = [parameter.clone() for parameter in snapshot.generator.parameters()]
    images, labels = drawn(snapshot)
    first = score_encoder(untrained(snapshot), snapshot, images, labels)
    encoder = fit_encoder(snapshot, images, labels, Plan(kimg=4))
    last = score_encoder(encoder, snapshot, images, labels)
    assert last.error < 0.8 * first.error
    if labels is not None:
        assert last.accuracy is not None
        assert last.accuracy > 0.6
    for old, new in zip(before, snapshot.generator.parameters(), strict=True):
        assert torch.equal(old, new)
        assert new.requires_grad


@pytest.mark.parametrize(("kimg", "constant"), [(0.2, 0.1), (2, 1), (150, 2)])
def test_the_learning_rate_falls_to_0_also_in_a_short_training(
    kimg: float, constant: float
) -> None:
    rate = rate_of(Plan(kimg=kimg))
    assert rate.at(0) == rate.at(round(1000 * constant)) == 1e-3
    assert 0 < rate.at(round(900 * kimg)) < 1e-3
    assert rate.at(round(1000 * kimg)) == 0


def test_equal_seeds_give_equal_encoders(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    images, labels = drawn(snapshot)
    first, same, other = (
        fit_encoder(snapshot, images, labels, Plan(kimg=0.2, seed=seed)).latents.weight
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_colours_of_transparent_pixels_do_not_count() -> None:
    torch.manual_seed(0)
    encoder = Encoder(8, 8, 4, 3, 0)
    pictures = torch.zeros(2, 8, 8, 4, dtype=torch.uint8)
    pictures[1, :, :, :3] = 77
    first, second = encoder(pictures)[0]
    torch.testing.assert_close(first, second)


def test_pictures_that_the_generator_cannot_make_are_refused(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    images, labels = drawn(snapshot)
    with pytest.raises(DataError, match=r"shape \(8, 8, 1\); the generator makes \(8, 12, 1\)"):
        fit_encoder(snapshot, images[:, :, :8], labels, Plan())
    with pytest.raises(DataError, match="have no classes; the generator has 3"):
        fit_encoder(snapshot, images, None, Plan())


def test_a_published_encoder_estimates_what_the_network_does(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    first, encoder = published(tmp_path, snapshot), untrained(snapshot)
    bundle = load_bundle(publish_encoder(first, encoder, SCORE, first.parent))
    assert (bundle.manifest.version, bundle.manifest.has_encoder) == (2, True)
    assert bundle.model == load_bundle(first).model
    picture = drawn(snapshot, 1)[0]
    assert bundle.encoder is not None
    session = onnxruntime.InferenceSession(bundle.encoder, providers=["CPUExecutionProvider"])
    found = session.run(["latents", "logits"], {"pictures": picture})
    for values, expected in zip(found, encoder(torch.from_numpy(picture)), strict=True):
        np.testing.assert_allclose(values, expected.detach().numpy(), atol=1e-4)


def test_the_card_tells_of_the_encoder_and_of_weights_that_are_left_out(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    first = published(tmp_path, snapshot)
    path = publish_encoder(first, untrained(snapshot), SCORE, first.parent, keep_weights=False)
    text = (path / "README.md").read_text()
    assert "# toy@2\n" in text
    assert "mean squared error 0.2500 on 10 test pictures, class told in 50.00%" in text
    assert "Its weights are those of toy@1" in text
    assert not (path / "weights.safetensors").exists()
    with pytest.raises(DataError, match=r"has no weights\.safetensors; name a version"):
        snapshot_of(path)
    again = publish_encoder(path, untrained(snapshot), SCORE, first.parent)
    assert (again / "README.md").read_text().count("## Encoder") == 1


def test_an_encoder_that_onnxruntime_computes_otherwise_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = make_snapshot(tmp_path)
    first = published(tmp_path, snapshot)
    monkeypatch.setattr("mirage.training.inversion.publish.TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="nothing was published"):
        publish_encoder(first, untrained(snapshot), SCORE, first.parent)
    assert [path.name for path in first.parent.iterdir() if path.name.isdigit()] == ["1"]


def test_the_command_publishes_the_next_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    snapshot = make_snapshot(tmp_path, num_classes=0)
    first = published(tmp_path, snapshot)
    np.save(tmp_path / "pictures.npy", drawn(snapshot)[0])
    command = ["encode", str(first), "--data", str(tmp_path / "pictures.npy")]
    assert main([*command, "--kimg", "0"]) == 2
    assert "--kimg is 0; it must be above 0" in capsys.readouterr().err
    assert main([*command, "--kimg", "0.1"]) == 0
    score, path = capsys.readouterr().out.splitlines()
    assert score.startswith("mean squared error ")
    assert score.endswith(" on 64 training pictures")  # there is no split
    assert load_bundle(Path(path)).encoder is not None
    assert Path(path).name == "2"


def test_a_run_needs_a_model_to_be_published_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "say with --to" in capsys.readouterr().err
