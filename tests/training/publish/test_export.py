from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Member, Score
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.publish import publish_ensemble
from mirage.training.config import build_config
from mirage.training.errors import DataError, ExportError
from mirage.training.presets import PRESETS
from mirage.training.publish.export import (
    PARITY_BATCHES,
    check_parity,
    export_onnx,
    publish,
    republish,
)
from mirage.training.publish.latent_directions import find_directions
from mirage.training.publish.model_card import ModelCard
from mirage.training.recipe import presets_for
from mirage.training.runs.checkpoint import load_weights
from mirage.training.tasks.generate import architecture_of
from tests.bundles import reseal
from tests.training.helpers.snapshots import SELF_CONTAINED, config_of, make_snapshot, sheet_of
from tests.training.helpers.trunks import keep_random_weights

KINDS: list[dict[str, Any]] = [
    {},
    {"num_classes": 0},
    {"channels": 3},
    {"channels": 4, "num_classes": 0},
    {"height": 4, "width": 20, "widths": (8,)},
]
NORMALIZED: list[dict[str, Any]] = [
    {"family": "strided", "normalize": "rms"},
    {"family": "residual", "normalize": "rms"},
    {"family": "strided", "normalize": "rms", "palette": 5},
    {"family": "residual", "normalize": "rms", "bilateral": 3},
]
DATA = {  # height, width, channels, classes
    "mnist": (28, 28, 1, 10),
    "dcgan": (28, 28, 1, 10),
    "stacked-mnist": (28, 28, 3, 0),
    "stacked-mnist-small": (28, 28, 3, 0),
    "cifar10": (32, 32, 3, 10),
    "emoji": (64, 64, 4, 0),
    "avatars": (32, 32, 4, 6),
    "avatars-finish": (32, 32, 4, 6),
}


@pytest.mark.parametrize("family", SELF_CONTAINED)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_onnxruntime_makes_the_pixels_of_pytorch(
    tmp_path: Path, family: str, kind: dict[str, Any]
) -> None:
    snapshot = make_snapshot(tmp_path, family, **kind)
    assert check_parity(snapshot, export_onnx(snapshot)) <= 1


@pytest.mark.parametrize("kind", NORMALIZED, ids=str)
def test_a_normalized_network_is_published_with_the_operators_of_a_bundle(
    tmp_path: Path, kind: dict[str, Any]
) -> None:
    snapshot = make_snapshot(tmp_path, **kind)
    data = sheet_of(snapshot)
    folder = publish(snapshot, config_of(), data, tmp_path / "models" / "toy", {}, ModelCard())
    model = onnx.load_from_string(load_bundle(folder).model)
    assert "ReduceMean" in {node.op_type for node in model.graph.node}


def test_transparency_over_white_is_served_straight_and_clean(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path, channels=4, num_classes=0, transparency="on-white")
    with torch.no_grad():  # opacities from nothing to everything
        snapshot.generator.to_image.weight[3] *= 4
    model = export_onnx(snapshot)
    assert check_parity(snapshot, model) <= 1
    latents = np.random.default_rng(0).standard_normal((64, 6), np.float32)
    (images,) = onnxruntime.InferenceSession(model).run(["images"], {"latents": latents})
    opacity = images[..., 3]
    assert {0, 255} <= set(opacity.flatten().tolist())
    assert images[opacity == 0].max() <= 25  # rounded down from half a level, in an `EDGE` of 5


@pytest.mark.parametrize(
    "preset", [name for name in presets_for("images") if "task" not in PRESETS[name]]
)
def test_so_it_does_at_the_size_of_every_preset(tmp_path: Path, preset: str) -> None:
    """At batches of 1, 3 and 17, for the data that each preset is for."""
    *shape, classes = DATA[preset]
    data = {"shape": shape, "classes": [str(number) for number in range(classes)]}
    architecture = architecture_of(build_config(preset, {}), data)
    snapshot = make_snapshot(tmp_path, **architecture.model_dump())
    assert PARITY_BATCHES == (1, 3, 17)
    assert check_parity(snapshot, export_onnx(snapshot)) <= 1


def test_the_graph_is_as_the_bundle_wants_it(tmp_path: Path) -> None:
    model = onnx.load_from_string(export_onnx(make_snapshot(tmp_path)))
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert model.ir_version == 10
    assert [item.name for item in model.graph.input] == ["latents", "labels"]
    assert not any(node.op_type.startswith("Random") for node in model.graph.node)


def test_the_graph_tells_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    raw = export_onnx(make_snapshot(tmp_path))
    assert b".py" not in raw
    assert str(Path.cwd()).encode() not in raw


@pytest.mark.parametrize("palette", [0, 5])
def test_an_image_does_not_depend_on_its_batch(tmp_path: Path, palette: int) -> None:
    session = onnxruntime.InferenceSession(export_onnx(make_snapshot(tmp_path, palette=palette)))
    latents = np.random.default_rng(0).standard_normal((17, 6), np.float32)
    labels = np.arange(17) % 3
    together = session.run(None, {"latents": latents, "labels": labels})[0]
    for i in range(17):
        feed = {"latents": latents[i : i + 1], "labels": labels[i : i + 1]}
        np.testing.assert_array_equal(session.run(None, feed)[0][0], together[i])


def test_a_graph_of_other_weights_is_refused(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    model = export_onnx(snapshot)
    with torch.no_grad():
        snapshot.generator.to_image.bias.add_(0.05)
    with pytest.raises(ExportError, match=r"differs from PyTorch by \d+ grey levels at batch 1"):
        check_parity(snapshot, model)


@pytest.mark.parametrize("kind", [{}, {"num_classes": 0, "channels": 4}], ids=str)
def test_publishes_a_bundle_that_verifies(tmp_path: Path, kind: dict[str, Any]) -> None:
    snapshot = make_snapshot(tmp_path, **kind)
    scores = {"coverage": Score(value=0.5, floor=0.96, n=5000)}
    card = ModelCard("Squares", "cc0-1.0", "apache-2.0")
    to = tmp_path / "models" / "toy"
    folder = publish(snapshot, config_of(), sheet_of(snapshot), to, scores, card)
    bundle = load_bundle(folder)
    assert (bundle.manifest.name, bundle.manifest.version) == ("toy", 1)
    assert bundle.manifest.training.kimg == 8
    assert bundle.manifest.scores == scores
    assert bundle.manifest.num_classes == snapshot.architecture.num_classes
    assert bundle.manifest.directions == find_directions(snapshot.generator.latent_weight())
    with (
        Image.open(folder / "samples.png") as grid,
        Image.open(folder / "directions.png") as strips,
    ):
        assert (grid.size, strips.size) == ((120, 80), (3 * 7 * 12, 6 * 8))
    text = (folder / "README.md").read_text()
    assert text.startswith("---\n")
    assert "license: apache-2.0" in text
    assert "| coverage | 0.5 | 0.96 | 5000 |" in text


def test_the_card_names_the_trained_network_that_guided_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keep_random_weights(tmp_path / "cache" / "mirage")
    models, texts = tmp_path / "models", []
    for family in ("direct", "projected"):  # their generators are alike, so not one folder
        snapshot = make_snapshot(tmp_path, family, channels=3)
        path = publish(snapshot, config_of(), sheet_of(snapshot), models / family, {}, ModelCard())
        texts.append((path / "README.md").read_text())
    again = republish(models / "projected" / "1", models / "other", ModelCard("Squares"))
    assert "ImageNet" not in texts[0]
    for text in (texts[1], (again / "README.md").read_text()):
        assert "Features of EfficientNet-Lite0 (Apache-2.0), which was trained on ImageNet" in text


def test_published_weights_are_those_of_the_snapshot(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    to = tmp_path / "models" / "toy"
    folder = publish(snapshot, config_of(), sheet_of(snapshot), to, {}, ModelCard())
    architecture, state, _ = load_weights(folder / "weights.safetensors", "generator")
    assert architecture == snapshot.architecture
    for name, value in snapshot.generator.state_dict().items():
        assert torch.equal(state[name], value)
    assert load_weights(folder / "weights.safetensors", "discriminator")[1]


def test_the_same_snapshot_is_published_once(tmp_path: Path) -> None:
    to = tmp_path / "models" / "toy"
    first, again = (
        publish(snapshot, config_of(), sheet_of(snapshot), to, {}, ModelCard())
        for snapshot in (make_snapshot(tmp_path), make_snapshot(tmp_path))
    )
    other = make_snapshot(tmp_path, hidden=14)
    third = publish(other, config_of(), sheet_of(other), to, {}, ModelCard())
    assert (first.name, again.name, third.name) == ("1", "1", "2")


def test_the_same_graph_with_another_description_is_published_again(tmp_path: Path) -> None:
    to, snapshot = tmp_path / "models" / "toy", make_snapshot(tmp_path)
    publish(snapshot, config_of(), sheet_of(snapshot), to, {}, ModelCard())
    scores = {"coverage": Score(value=0.5)}
    second = publish(snapshot, config_of(), sheet_of(snapshot), to, scores, ModelCard())
    assert second.name == "2"
    assert load_bundle(second).model == load_bundle(to / "1").model


def test_an_ensemble_as_the_newest_version_is_passed_over(tmp_path: Path) -> None:
    to, snapshot = tmp_path / "models" / "toy", make_snapshot(tmp_path)
    for coverage in (0.4, 0.5):
        scores = {"coverage": Score(value=coverage)}
        second = publish(snapshot, config_of(), sheet_of(snapshot), to, scores, ModelCard())
    members = [Member(version=version, weight=1) for version in (1, 2)]
    publish_ensemble(to.parent, to.name, members)
    assert publish(snapshot, config_of(), sheet_of(snapshot), to, scores, ModelCard()) == second
    other = make_snapshot(tmp_path, hidden=14)
    assert publish(other, config_of(), sheet_of(other), to, {}, ModelCard()).name == "4"


def test_nothing_is_published_on_a_mismatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = make_snapshot(tmp_path)
    other = make_snapshot(tmp_path, widths=(8, 8))
    monkeypatch.setattr("mirage.training.publish.export.export_onnx", lambda _: export_onnx(other))
    to = tmp_path / "models" / "toy"
    with pytest.raises(ExportError):
        publish(snapshot, config_of(), sheet_of(snapshot), to, {}, ModelCard())
    assert not to.exists()


def test_a_name_that_no_model_may_have_is_refused(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    with pytest.raises(BundleError):
        publish(snapshot, config_of(), sheet_of(snapshot), tmp_path / "Not OK", {}, ModelCard())


SCORES = {"coverage": Score(value=0.5, floor=0.96, n=5000)}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The first version of a model, without directions, as older exports made it."""
    snapshot = make_snapshot(tmp_path)
    card = ModelCard("Squares", "cc0-1.0", "apache-2.0")
    to = tmp_path / "models" / "toy"
    path = publish(snapshot, config_of(), sheet_of(snapshot), to, SCORES, card)
    (path / "directions.png").unlink()
    reseal(path, directions=[])
    return path


def test_a_bundle_gets_directions_as_a_new_version(published: Path) -> None:
    folder = republish(published, published.parent)
    old, new = load_bundle(published), load_bundle(folder)
    assert (folder.name, len(new.manifest.directions)) == ("2", 6)
    assert (folder / "directions.png").exists()
    assert new.model == old.model
    assert new.manifest.description.model_copy(update={"directions": ()}) == (
        old.manifest.description
    )


def test_the_same_bundle_is_exported_again_once(published: Path) -> None:
    second = republish(published, published.parent)
    assert republish(published, published.parent) == second
    assert republish(second, published.parent) == second


def test_weights_can_be_left_out(published: Path) -> None:
    folder = republish(published, published.parent, keep_weights=False)
    assert not (folder / "weights.safetensors").exists()
    assert load_bundle(folder).model == load_bundle(published).model
    assert republish(published, published.parent, keep_weights=False) == folder
    whole = republish(published, published.parent)
    assert (whole / "weights.safetensors").exists()


def test_the_card_is_kept_under_its_new_title(published: Path) -> None:
    folder = republish(published, published.parent.with_name("other"))
    text = (folder / "README.md").read_text(encoding="utf-8")
    before = (published / "README.md").read_text(encoding="utf-8")
    assert text == before.replace("toy@1", "other@1")
    assert "Data: Squares." in text
    assert text != before


def test_the_card_is_written_anew_when_told(published: Path) -> None:
    folder = republish(published, published.parent, ModelCard("Circles"))
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "# toy@2\n" in text
    assert "Data: Circles." in text


def test_a_bundle_without_a_card_gets_one(published: Path) -> None:
    (published / "README.md").unlink()
    reseal(published, directions=[])
    assert "# toy@2\n" in (republish(published, published.parent) / "README.md").read_text()


def test_a_bundle_that_does_not_verify_is_not_exported(published: Path) -> None:
    (published / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.onnx has 0 bytes"):
        republish(published, published.parent)


def test_a_bundle_without_weights_is_not_exported(published: Path) -> None:
    (published / "weights.safetensors").unlink()
    reseal(published)
    with pytest.raises(DataError, match="holds no generator"):
        republish(published, published.parent)
