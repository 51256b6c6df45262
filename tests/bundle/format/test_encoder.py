"""`encoder.onnx`: what is read, and what is refused."""

from pathlib import Path

import onnx
import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.interface import ENCODER
from mirage.bundle.format.verify import load_bundle
from tests.bundles import Toy, make_bundle, reseal
from tests.encoders import encoder_of, publish_encoded


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    return caught.value.reason, str(caught.value)


def replace_encoder(path: Path, encoder: bytes) -> None:
    (path / ENCODER).write_bytes(encoder)
    reseal(path)


@pytest.mark.parametrize("labels", [("a", "b"), ()])
def test_a_bundle_may_have_an_encoder(labels: tuple[str, ...], tmp_path: Path) -> None:
    toy = Toy(labels=labels)
    bundle = load_bundle(publish_encoded(tmp_path, toy))
    assert bundle.encoder == encoder_of(toy).SerializeToString()
    assert bundle.manifest.has_encoder


def test_a_bundle_need_not_have_one(tmp_path: Path) -> None:
    bundle = load_bundle(make_bundle(tmp_path))
    assert bundle.encoder is None
    assert not bundle.manifest.has_encoder


def test_its_hash_is_checked(tmp_path: Path) -> None:
    path = publish_encoded(tmp_path, Toy())
    (path / ENCODER).write_bytes(b"\0" + (path / ENCODER).read_bytes()[1:])
    assert refusal(path) == ("file_hash", refusal(path)[1])
    assert "encoder.onnx has sha256" in refusal(path)[1]


def test_its_operators_are_checked(tmp_path: Path) -> None:
    path, model = publish_encoded(tmp_path, Toy()), encoder_of(Toy())
    model.graph.node[1].op_type = "Loop"
    replace_encoder(path, model.SerializeToString())
    reason, message = refusal(path)
    assert reason == "graph_operator"
    assert message.startswith("encoder.onnx uses 'Loop'")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Toy(latent_dim=6), "the manifest says latents FLOAT [N, 5]"),
        (Toy(channels=3), "the manifest says pictures UINT8 [N, 8, 12, 1]"),
        (Toy(labels=()), "logits FLOAT [N, 10]"),
    ],
)
def test_its_inputs_and_outputs_are_those_of_the_generator(
    other: Toy, named: str, tmp_path: Path
) -> None:
    path = publish_encoded(tmp_path, Toy())
    replace_encoder(path, encoder_of(other).SerializeToString())
    reason, message = refusal(path)
    assert (reason, named in message) == ("graph_interface", True)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = publish_encoded(tmp_path, Toy())
    replace_encoder(path, b"\xff" * 64)
    reason, message = refusal(path)
    assert reason.startswith("graph_")
    assert "model.onnx" not in message


def test_an_encoder_without_weights_in_external_files(tmp_path: Path) -> None:
    path, model = publish_encoded(tmp_path, Toy()), encoder_of(Toy())
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    replace_encoder(path, model.SerializeToString())
    assert refusal(path)[0] == "graph_feature"


def test_an_older_format_has_no_encoder(tmp_path: Path) -> None:
    path = publish_encoded(tmp_path, Toy())
    reseal(path, format_version=5)
    reason, message = refusal(path)
    assert (reason, "encoder.onnx is no file of format 5" in message) == ("manifest_invalid", True)


def test_an_empty_encoder_is_refused(tmp_path: Path) -> None:
    path = publish_encoded(tmp_path, Toy())
    replace_encoder(path, b"")
    assert refusal(path)[0] == "graph_version"
