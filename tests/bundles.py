"""Toy bundles for the tests: a dozen ONNX nodes whose images depend on latents and labels.

They are published through the store, so they are whole bundles; only their weights mean nothing.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mirage.bundle.format.golden import Case, Golden, golden_inputs, write_golden
from mirage.bundle.format.interface import Image, generator_tensors
from mirage.bundle.format.manifest import Description, Direction, Score, Training
from mirage.bundle.store.publish import new_version

OPSET, IR_VERSION = 20, 10
Channels = Literal[1, 3, 4]
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Toy:
    """A toy generator: clip(round(latents · weight + bias + style[labels])) as uint8 images."""

    labels: tuple[str, ...] = DIGITS
    channels: Channels = 1
    height: int = 8
    width: int = 12
    latent_dim: int = 5
    seed: int = 0  # of the weights: other seeds make other images
    strengths: tuple[float, ...] = (0.5, 0.25)  # of its directions: the first axes of the latents
    weight: np.ndarray = field(init=False)
    bias: np.ndarray = field(init=False)
    style: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        pixels = self.height * self.width * self.channels
        ramp = np.linspace(40, 215, pixels)
        object.__setattr__(self, "weight", _floats(rng.normal(0, 25, (self.latent_dim, pixels))))
        object.__setattr__(self, "bias", _floats(ramp))
        object.__setattr__(self, "style", _floats(rng.normal(0, 50, (len(self.labels), pixels))))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    def images(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """What the graph makes of float32 `[n, latent_dim]` and int64 `[n]`: uint8 images."""
        pixels: np.ndarray = latents @ self.weight + self.bias
        if labels is not None:
            pixels = pixels + self.style[labels]
        return np.clip(np.round(pixels), 0, 255).astype(np.uint8).reshape(-1, *self.shape)

    def model(self) -> onnx.ModelProto:
        """The graph, with `labels` as an input when there are classes."""
        constants = {
            "weight": self.weight,
            "bias": self.bias,
            "low": _floats(0),
            "high": _floats(255),
            "shape": np.array([-1, *self.shape], np.int64),
        }
        inputs = [
            helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["N", self.latent_dim])
        ]
        nodes = [helper.make_node("Gemm", ["latents", "weight", "bias"], ["pixels"])]
        if self.labels:
            constants["style"] = self.style
            inputs.append(helper.make_tensor_value_info("labels", TensorProto.INT64, ["N"]))
            nodes += [
                helper.make_node("Gather", ["style", "labels"], ["styles"]),
                helper.make_node("Add", ["pixels", "styles"], ["styled"]),
            ]
        nodes += [
            helper.make_node("Round", [nodes[-1].output[0]], ["rounded"]),
            helper.make_node("Clip", ["rounded", "low", "high"], ["clipped"]),
            helper.make_node("Cast", ["clipped"], ["bytes"], to=TensorProto.UINT8),
            helper.make_node("Reshape", ["bytes", "shape"], ["images"]),
        ]
        images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *self.shape])
        initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "toy", inputs, [images], initializers)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def golden(self) -> Golden:
        """The golden inputs and their images."""
        inputs = golden_inputs(self.latent_dim, len(self.labels))
        return Golden((Case(inputs, self.images(**inputs)),))

    def description(self) -> Description:
        """What an exporter would say of this model."""
        image = Image(height=self.height, width=self.width, channels=self.channels)
        return Description(
            task="generate",
            opset=OPSET,
            labels=self.labels,
            **generator_tensors(self.latent_dim, len(self.labels), image),
            truncation="scale",
            golden_tolerance=1.0,
            training=Training(
                preset="toy",
                data_fingerprint="none",
                kimg=1.5,
                seed=self.seed,
                code_version="0",
                torch_version="none",
            ),
            scores={"frechet": Score(value=2.5, floor=0.5, n=10_000)},
            directions=tuple(
                Direction(vector=tuple(axis.tolist()), strength=strength)
                for axis, strength in zip(np.eye(self.latent_dim), self.strengths, strict=False)
            ),
            pictures=None,
            sound=None,
            sequence=None,
        )


def make_bundle(
    root: Path,
    name: str = "toy",
    *,
    labels: tuple[str, ...] = DIGITS,
    channels: Channels = 1,
    seed: int = 0,
) -> Path:
    """Publish the next version of a toy model under `root`, not released; returns its folder.

    `labels=()` makes it unconditional.
    """
    return publish_toy(root, Toy(labels=labels, channels=channels, seed=seed), name)


def publish_toy(root: Path, toy: Toy, name: str = "toy") -> Path:
    """Publish any toy as the next version of `name`."""
    with new_version(root, name) as draft:
        write_toy(draft.path, toy)
        return draft.publish(toy.description())


def write_toy(folder: Path, toy: Toy) -> None:
    """Write the files of a toy bundle, all but its manifest."""
    (folder / "model.onnx").write_bytes(toy.model().SerializeToString())
    (folder / "weights.safetensors").write_bytes(safetensors({"weight": toy.weight}))
    (folder / "README.md").write_text("# A toy\n", encoding="utf-8")
    write_golden(folder / "golden.npz", toy.golden())


def reseal(folder: Path, **changes: object) -> None:
    """Let the manifest list what lies in the folder now, and change fields of it.

    So a test reaches the checks that stand behind hashes and sizes.
    """
    path = folder / "manifest.json"
    fields = json.loads(path.read_bytes())
    fields["files"] = {
        file.name: {
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "size_bytes": file.stat().st_size,
        }
        for file in sorted(folder.iterdir())
        if file != path
    }
    path.write_text(json.dumps(fields | changes), encoding="utf-8")


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    """float32 arrays in the safetensors format."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        span = [len(data), len(data) + tensor.nbytes]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": span}
        data += tensor.tobytes()
    text = json.dumps({"__metadata__": {"architecture": "toy"}, **header}).encode()
    return len(text).to_bytes(8, "little") + text + data


def _floats(values: object) -> np.ndarray:
    return np.asarray(values, np.float32)
