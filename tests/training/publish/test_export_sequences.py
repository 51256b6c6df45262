from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.outputs import OUTPUTS
from mirage.bundle.format.verify import load_bundle
from mirage.training.config import build_config
from mirage.training.media.reading import medium_of_bundle
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens
from mirage.training.networks.sequence import SequenceArchitecture
from mirage.training.publish.export import check_parity, export_onnx, publish, republish
from mirage.training.publish.gate import check_spread
from mirage.training.publish.latent_directions import find_directions
from mirage.training.publish.model_card import ModelCard, direction_strips
from mirage.training.publish.model_kind import kind_of_bundle, kind_of_data
from mirage.training.recipe import presets_for
from mirage.training.tasks.generate import architecture_of
from tests.training.helpers.sequences import SOUND, TOKENS, make_sequence_snapshot, snapshot_of

DATA: dict[str, Sound | Tokens] = {
    "sound": Sound(length=8192, sample_rate=8000),
    "dna": Tokens(length=96, alphabet="ACGT"),
    "words": Tokens(length=12, alphabet="abcdefghijklmnopqrstuvwxyz_", padding="_"),
}
MEDIA = [("sound", SOUND), ("words", TOKENS)]


def sheet_of(medium: Sound | Tokens, classes: int) -> dict[str, Any]:
    names = [f"class {number}" for number in range(classes)]
    return {"fingerprint": "0" * 64, "images": 96, "shape": [], "classes": names, **medium.facts()}


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize(("preset", "medium"), MEDIA)
def test_a_bundle_describes_and_makes_what_was_trained(
    tmp_path: Path, preset: str, medium: Sound | Tokens, num_classes: int
) -> None:
    snapshot = make_sequence_snapshot(tmp_path, medium, num_classes=num_classes)
    config, sheet = build_config(preset, {}), sheet_of(medium, num_classes)
    path = publish(snapshot, config, sheet, tmp_path / "models" / "x", {}, ModelCard())
    bundle = load_bundle(path)
    assert medium_of_bundle(bundle.manifest) == medium
    assert kind_of_bundle(bundle.manifest) == kind_of_data(config, sheet)
    assert bundle.manifest.outputs[0].name == medium.meaning
    assert len(bundle.manifest.directions) == 6
    assert bundle.golden.cases[0].output.shape == (8, medium.length)
    assert (path / "samples.png").exists()
    assert (path / "directions.png").exists()


@pytest.mark.parametrize(("preset", "medium"), MEDIA)
@pytest.mark.parametrize("changes", [{}, {"strides": (3,)}, {"normalize": "rms"}], ids=str)
def test_the_graph_makes_what_pytorch_makes(
    tmp_path: Path, preset: str, medium: Sound | Tokens, changes: dict[str, Any]
) -> None:
    snapshot = make_sequence_snapshot(tmp_path, medium, **changes)
    assert check_parity(snapshot, export_onnx(snapshot)) <= 1


@pytest.mark.parametrize(
    ("length", "shape"),
    [(7, (658, 3 * 70 - 14)), (96, (658, 2 * 782 - 14)), (1000, (4774, 2 * 782 - 14))],
)
def test_long_sequences_are_moved_below_each_other(
    tmp_path: Path, length: int, shape: tuple[int, int]
) -> None:
    medium = Tokens(length=length, alphabet="ACGT")
    snapshot = make_sequence_snapshot(tmp_path, medium, num_classes=0)
    directions = find_directions(snapshot.generator.latent_weight())
    strips = direction_strips(snapshot, directions)
    assert strips.shape == shape
    height, width = medium.picture_size
    moved = draw_latents(1, 0, 1, 6)[0] + 2 * np.array(directions[4].vector, np.float32)
    top, left = 4 * (7 * height + 14) + 5 * height, width + 14
    np.testing.assert_array_equal(
        strips[top : top + height, left : left + width],
        medium.pictures(snapshot.generate(moved, None))[0, :, :, 0],
    )
    assert not strips[7 * height : 7 * height + 14].any()


def test_a_card_prints_unselected_sequences(tmp_path: Path) -> None:
    snapshot = make_sequence_snapshot(tmp_path, TOKENS, num_classes=0)
    sheet = sheet_of(TOKENS, 0)
    path = publish(snapshot, build_config("words", {}), sheet, tmp_path / "x", {}, ModelCard())
    text = (path / "README.md").read_text()
    assert "## Seeds 0 to 49, unselected" in text
    (first,) = TOKENS.texts(snapshot.generate(draw_latents(0, 0, 1, 6)[0], None))
    printed = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    assert printed[0] == first
    assert len(printed) == 50


@pytest.mark.parametrize(("preset", "medium"), MEDIA)
def test_a_bundle_is_exported_again(tmp_path: Path, preset: str, medium: Sound | Tokens) -> None:
    snapshot = make_sequence_snapshot(tmp_path, medium)
    config, sheet = build_config(preset, {}), sheet_of(medium, 3)
    path = publish(snapshot, config, sheet, tmp_path / "x", {}, ModelCard())
    again = republish(path, tmp_path / "y")
    assert load_bundle(again).model == load_bundle(path).model


@pytest.mark.parametrize(("preset", "medium"), MEDIA)
def test_samples_that_vary_pass_the_gate(
    tmp_path: Path, preset: str, medium: Sound | Tokens
) -> None:
    assert check_spread(make_sequence_snapshot(tmp_path, medium)) >= 1


@pytest.mark.parametrize("preset", [*presets_for("audio")])
def test_it_does_so_at_the_size_of_every_preset(tmp_path: Path, preset: str) -> None:
    """For the data that each preset is for."""
    medium = DATA[preset]
    architecture = architecture_of(build_config(preset, {}), sheet_of(medium, 10))
    assert isinstance(architecture, SequenceArchitecture)
    snapshot = snapshot_of(tmp_path, architecture)
    assert check_parity(snapshot, export_onnx(snapshot)) <= OUTPUTS[medium.meaning].tolerance
