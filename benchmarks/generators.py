"""The generators that the benchmarks serve: the shipped digits, and larger untrained ones."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from mirage.bundle.store.release import release
from mirage.training.config import build_config
from mirage.training.networks.base import Architecture
from mirage.training.networks.families import FAMILIES
from mirage.training.publish.export import publish
from mirage.training.publish.model_card import ModelCard
from mirage.training.runs.checkpoint import load_snapshot, save_weights

ROOT = Path(__file__).parent.parent
SIZES = {  # side and widths: 1.3, 4.9 and 6.0 million parameters
    "rgb32": (32, (192, 96, 64, 32)),
    "rgb256": (256, (256, 128, 64, 32, 16, 8)),
    "rgb512": (512, (256, 256, 128, 64, 32, 16, 8)),
}
FOR_CPUS = ("rgb32", "rgb256")


def make_models(root: Path, names: Sequence[str] = FOR_CPUS) -> dict[str, Path]:
    """Write and release the digits and these models under `root`; returns their graphs by name."""
    if not (root / "mnist").exists():
        shutil.copytree(ROOT / "models/mnist", root / "mnist")
    for name in names:
        if not (root / name).exists():
            _publish(root, name, *SIZES[name])
    shipped = json.loads((root / "mnist/release.json").read_text())["version"]
    return {
        "mnist": root / f"mnist/{shipped}/model.onnx",
        **{name: root / name / "1/model.onnx" for name in names},
    }


def _publish(root: Path, name: str, side: int, widths: tuple[int, ...]) -> None:
    shape = {"height": side, "width": side, "channels": 3, "num_classes": 0}
    architecture = Architecture(family="strided", latent_dim=128, widths=widths, **shape)
    networks = FAMILIES["strided"]
    weights = root / f"{name}.safetensors"
    save_weights(
        weights,
        architecture,
        {"nimg": "0"},
        generator=networks.generator(architecture).state_dict(),
        discriminator=networks.discriminator(architecture).state_dict(),
    )
    data = {"fingerprint": "none", "images": 0, "shape": [side, side, 3], "classes": []}
    snapshot, config = load_snapshot(weights), build_config("mnist", {})
    publish(snapshot, config, data, root / name, {}, ModelCard())
    release(root, name, 1)
