"""What a new version of a model holds, written as a bundle unless it is published already."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mirage.bundle.format.card import CARD, retitled
from mirage.bundle.format.golden import Golden, write_golden
from mirage.bundle.format.manifest import Description, Manifest, Training
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import list_versions, version_path
from mirage.bundle.store.publish import new_version
from mirage.training.config import TrainConfig
from mirage.training.runs.bundle_weights import WEIGHTS
from mirage.training.runs.checkpoint import load_weights, save_weights


@dataclass(frozen=True)
class BundleContents:
    """A version that is not on disk yet.

    model: the ONNX graph. weights: a file by `save_weights`, whose networks are kept; None: the
    version has no such file. sheets: makes the pictures for people, by name of the file. card:
    makes the text of the model card for a name and a version.
    """

    model: bytes
    description: Description
    golden: Golden
    weights: Path | None
    card: Callable[[str, int], str]
    sheets: Callable[[], Mapping[str, np.ndarray]] = field(default=dict)


def publish_contents(contents: BundleContents, to: Path) -> Path:
    """Publish them as the next version of the model folder `to`; answers the version's folder.

    That is the newest version with a graph of its own (no ensemble), and nothing is published, when
    it holds the same graph and description already, and weights just if
    these contents do. Raises BundleError when the store refuses.
    """
    if same := _published_already(to, contents):
        return same
    with new_version(to.parent, to.name) as draft:
        (draft.path / "model.onnx").write_bytes(contents.model)
        write_golden(draft.path / "golden.npz", contents.golden)
        for name, sheet in contents.sheets().items():
            Image.fromarray(sheet).save(draft.path / name)
        if contents.weights:
            copy_weights(contents.weights, draft.path / WEIGHTS)
        text = contents.card(draft.name, draft.version)
        (draft.path / CARD).write_text(text, encoding="utf-8")
        return draft.publish(contents.description)


def _published_already(to: Path, contents: BundleContents) -> Path | None:
    """The newest version with a graph of its own, if it would not differ."""
    path, manifest = next(_versions_with_graphs(to), (None, None))
    if path is None or manifest is None or manifest.description != contents.description:
        return None
    if (WEIGHTS in manifest.files) != (contents.weights is not None):
        return None
    same_graph = manifest.files["model.onnx"].sha256 == hashlib.sha256(contents.model).hexdigest()
    return path if same_graph else None


def find_published(to: Path, model_sha256: str) -> Path | None:
    """The newest version in the model folder `to` that holds this graph; raises BundleError."""
    for path, manifest in _versions_with_graphs(to):
        if manifest.files["model.onnx"].sha256 == model_sha256:
            return path
    return None


def _versions_with_graphs(to: Path) -> Iterator[tuple[Path, Manifest]]:
    """Newest first; ensembles have no graph of their own."""
    versions = list_versions(to.parent, to.name) if to.exists() else []
    for number in reversed(versions):
        path = version_path(to.parent, to.name, number)
        manifest = read_manifest(path)
        if not manifest.members:
            yield path, manifest


def copy_weights(source: Path, path: Path, half: bool = False) -> None:
    """Copy the networks of a file by `save_weights`, and of its header only the images seen.

    half: round weights to float16.
    """
    networks = {}
    for name in ("generator", "discriminator"):
        architecture, state, header = load_weights(source, name)
        networks[name] = _halved(state) if half else state
    save_weights(path, architecture, {"nimg": header["nimg"]}, **networks)


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.half() if v.is_floating_point() else v for k, v in state.items()}


def training_of(config: TrainConfig, data: dict[str, Any], nimg: int) -> Training:
    """Where a run's weights come from; data: its data sheet, nimg: images seen."""
    return Training(
        preset=config.preset,
        data_fingerprint=data["fingerprint"],
        kimg=nimg / 1000,
        seed=config.seed,
        code_version=version("mirage-gan"),
        torch_version=str(torch.__version__),
    )


def card_under(text: str, old: Manifest, name: str, version: int) -> str:
    """The model card of a version, as that of another name and version."""
    return retitled(text, f"{old.name}@{old.version}", f"{name}@{version}")
