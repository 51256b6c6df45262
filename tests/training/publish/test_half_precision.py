import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.format.outputs import OUTPUTS
from mirage.bundle.format.verify import load_bundle
from mirage.training.errors import ExportError
from mirage.training.media.sound import Sound
from mirage.training.media.tokens import Tokens
from mirage.training.publish.bundle_contents import copy_weights
from mirage.training.publish.export import check_parity, export_onnx, publish, republish
from mirage.training.publish.half_precision import open_snapshot
from mirage.training.publish.model_card import ModelCard
from mirage.training.runs.checkpoint import load_snapshot, load_weights, save_weights
from tests.training.helpers.sequences import SOUND, TOKENS, make_sequence_snapshot
from tests.training.helpers.snapshots import SELF_CONTAINED, config_of, make_snapshot, sheet_of

WEIGHTS = "weights.safetensors"
TRANSPARENT = {"channels": 4, "num_classes": 0, "transparency": "on-white"}


def over(images: np.ndarray) -> np.ndarray:
    """Grey levels over white."""
    colours, opacity = images[..., :3], images[..., 3:] / 255
    return 255 - (255 - colours) * opacity if images.shape[3] == 4 else images


def publish_half(snapshot_path: Path, to: Path) -> Path:
    with open_snapshot(snapshot_path, half=True) as half:
        return publish(half, config_of(), sheet_of(half), to, {}, ModelCard())


def overflow(path: Path) -> None:
    """Scale the weights of two layers so that some exceed half precision, which ends at 65,504."""
    architecture, state, header = load_weights(path, "generator")
    state["hidden.weight"] *= 1e6
    state["base.weight"] /= 1e6
    _, discriminator, _ = load_weights(path, "discriminator")
    networks = {"generator": state, "discriminator": discriminator}
    save_weights(path, architecture, {"nimg": header["nimg"]}, **networks)


@pytest.mark.parametrize("kind", [{}, {"channels": 3}, TRANSPARENT], ids=str)
def test_images_are_those_of_float32_within_two_grey_levels(
    tmp_path: Path, kind: dict[str, Any]
) -> None:
    exact = make_snapshot(tmp_path, **kind)
    with open_snapshot(exact.path, half=True) as half:
        weights = [each.generator.to_image.weight for each in (exact, half)]
        assert weights[1].dtype == torch.float32
        torch.testing.assert_close(weights[1], weights[0].half().float(), rtol=0, atol=0)
        latents, _ = draw_latents(1, 0, 50, 6)
        labels = np.arange(50) % 3 if exact.architecture.num_classes else None
        before, after = (each.generate(latents, labels).astype(int) for each in (exact, half))
    assert np.abs(over(before) - over(after)).max() <= 2


@pytest.mark.parametrize("family", SELF_CONTAINED)
def test_the_networks_are_stored_in_half_of_the_bytes(tmp_path: Path, family: str) -> None:
    snapshot = make_snapshot(tmp_path, family)
    plain, half = tmp_path / "plain", tmp_path / "half"
    copy_weights(snapshot.path, plain)
    copy_weights(snapshot.path, half, half=True)
    for network in ("generator", "discriminator"):
        _, wide, _ = load_weights(plain, network)
        _, narrow, header = load_weights(half, network)
        assert header["nimg"] == "8000"
        assert wide.keys() == narrow.keys()
        for name, value in wide.items():
            assert torch.equal(narrow[name], value.half() if value.is_floating_point() else value)
    header_bytes = int.from_bytes(plain.read_bytes()[:8], "little")
    saved = os.path.getsize(plain) - os.path.getsize(half)
    assert saved == pytest.approx((os.path.getsize(plain) - header_bytes) / 2, rel=0.1)


def test_graph_golden_images_and_weights_of_a_bundle_agree(tmp_path: Path) -> None:
    path = publish_half(make_snapshot(tmp_path, **TRANSPARENT).path, tmp_path / "models" / "toy")
    bundle, published = load_bundle(path), load_snapshot(path / WEIGHTS)
    assert load_weights(path / WEIGHTS, "generator")[1]["to_image.weight"].dtype == torch.float16
    assert check_parity(published, bundle.model) <= 1
    assert export_onnx(published) == bundle.model
    (case,) = bundle.golden.cases
    images = published.generate(case.inputs["latents"].copy(), None)
    np.testing.assert_array_equal(images, case.output)


def test_the_graph_stores_half_of_the_bytes_and_computes_in_float32(tmp_path: Path) -> None:
    exact = make_snapshot(tmp_path, widths=(64, 48, 32))
    plain = export_onnx(exact)
    with open_snapshot(exact.path, half=True) as half:
        halved = export_onnx(half)
        assert check_parity(half, halved) <= 1
    assert len(halved) < 0.6 * len(plain)
    kinds = [
        {each.data_type for each in onnx.load_model_from_string(model).graph.initializer}
        for model in (plain, halved)
    ]
    assert [TensorProto.FLOAT16 in each for each in kinds] == [False, True]


def test_a_bundle_in_half_precision_is_exported_again_as_it_is(tmp_path: Path) -> None:
    to = tmp_path / "models" / "toy"
    path = publish_half(make_snapshot(tmp_path).path, to)
    assert republish(path, to) == path
    assert republish(path, to, half=True) == path


def test_a_bundle_in_float32_is_published_in_half_precision(tmp_path: Path) -> None:
    snapshot, to = make_snapshot(tmp_path), tmp_path / "models" / "toy"
    first = publish(snapshot, config_of(), sheet_of(snapshot), to, {}, ModelCard())
    second = republish(first, to, half=True)
    assert second.name == "2"
    assert (second / WEIGHTS).stat().st_size < (first / WEIGHTS).stat().st_size


def test_weights_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path)
    overflow(snapshot.path)
    with (
        pytest.raises(ExportError, match="half precision changes an image by"),
        open_snapshot(snapshot.path, half=True),
    ):
        pass


@pytest.mark.parametrize("medium", [TOKENS, SOUND], ids=["tokens", "sound"])
def test_sounds_and_sequences_are_those_of_float32_within_the_limits_of_reduced_precision(
    tmp_path: Path, medium: Sound | Tokens
) -> None:
    exact = make_sequence_snapshot(tmp_path, medium)
    with open_snapshot(exact.path, half=True) as half:
        rounded = half.generator.hidden.weight
        torch.testing.assert_close(
            rounded, exact.generator.hidden.weight.half().float(), rtol=0, atol=0
        )
        latents, _ = draw_latents(1, 0, 50, 6)
        labels = np.arange(50) % 3 if exact.architecture.num_classes else None
        before, after = (each.generate(latents, labels) for each in (exact, half))
    output = OUTPUTS[medium.meaning]
    differences = output.differences(after, before)
    largest, mean = output.allowed(output.tolerance, reduced=True)
    assert differences.max() <= largest
    assert differences.mean() <= mean


@pytest.mark.parametrize(
    ("medium", "unit"),
    [(TOKENS, "% of tokens"), (SOUND, "steps of 16 bits")],
    ids=["tokens", "sound"],
)
def test_weights_that_would_change_other_samples_are_refused(
    tmp_path: Path, medium: Sound | Tokens, unit: str
) -> None:
    snapshot = make_sequence_snapshot(tmp_path, medium)
    overflow(snapshot.path)
    with (
        pytest.raises(ExportError, match=f"half precision changes samples by .* {unit}"),
        open_snapshot(snapshot.path, half=True),
    ):
        pass
