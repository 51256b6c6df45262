"""Toy bundles of models that enlarge pictures: two convolutions with random weights.

Their pixels depend on their neighbours, and on the border of the picture, so that tiles which are
cut or joined in a wrong way show.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mirage.bundle.format.golden import Case, Golden, golden_pictures, write_golden
from mirage.bundle.format.interface import picture_tensors
from mirage.bundle.format.manifest import Description, PictureModel, Training
from mirage.bundle.store.publish import new_version
from tests.bundles import IR_VERSION, OPSET

RADIUS = 2  # of two 3x3 convolutions
WIDTH = 4


@dataclass(frozen=True)
class ToyUpscaler:
    """uint8 `[N, H, W, C]` → `[N, scale·H, scale·W, C]`; `halo` is what its manifest says."""

    channels: Literal[1, 3, 4] = 3
    scale: int = 2
    seed: int = 0
    halo: int = RADIUS
    task: Literal["upscale", "translate"] = "upscale"
    multiple: int = 1
    first: np.ndarray = field(init=False)
    second: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        c, made = self.channels, self.channels * self.scale**2
        first = rng.normal(0, 0.2, (WIDTH + c, c, 3, 3))
        second = rng.normal(0, 0.1, (made, WIDTH + c, 3, 3))
        for channel in range(c):  # the picture itself goes through, so that images resemble it
            first[WIDTH + channel] = 0
            first[WIDTH + channel, channel, 1, 1] = 1
            second[:, WIDTH + channel, 1, 1] = 0
            second[channel * self.scale**2 : (channel + 1) * self.scale**2, WIDTH + channel] = 0
            second[
                channel * self.scale**2 : (channel + 1) * self.scale**2, WIDTH + channel, 1, 1
            ] = 0.9
        object.__setattr__(self, "first", first.astype(np.float32))
        object.__setattr__(self, "second", second.astype(np.float32))

    def images(self, pictures: np.ndarray) -> np.ndarray:
        """What the graph makes of uint8 `[N, H, W, C]`."""
        values = _convolve(np.moveaxis(pictures, -1, 1).astype(np.float64), self.first)
        values = _convolve(np.where(values > 0, values, 0.1 * values), self.second)
        count, _, height, width = values.shape
        s, c = self.scale, self.channels
        blocks = values.reshape(count, c, s, s, height, width).transpose(0, 4, 2, 5, 3, 1)
        pixels = blocks.reshape(count, height * s, width * s, c)
        return np.clip(np.round(pixels), 0, 255).astype(np.uint8)

    def model(self) -> onnx.ModelProto:
        """The graph."""
        constants = {
            "first": self.first,
            "second": self.second,
            "low": np.float32(0),
            "high": np.float32(255),
        }
        convolution: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        nodes = [
            helper.make_node("Transpose", ["pictures"], ["turned"], perm=[0, 3, 1, 2]),
            helper.make_node("Cast", ["turned"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Conv", ["floats", "first"], ["maps"], **convolution),
            helper.make_node("LeakyRelu", ["maps"], ["bent"], alpha=0.1),
            helper.make_node("Conv", ["bent", "second"], ["phases"], **convolution),
            helper.make_node(
                "DepthToSpace", ["phases"], ["large"], blocksize=self.scale, mode="CRD"
            ),
            helper.make_node("Round", ["large"], ["rounded"]),
            helper.make_node("Clip", ["rounded", "low", "high"], ["clipped"]),
            helper.make_node("Cast", ["clipped"], ["bytes"], to=TensorProto.UINT8),
            helper.make_node("Transpose", ["bytes"], ["images"], perm=[0, 2, 3, 1]),
        ]
        tensors = picture_tensors(self.channels, self.scale)
        ends = {
            end: helper.make_tensor_value_info(each.name, TensorProto.UINT8, list(each.shape))
            for end, (each,) in tensors.items()
        }
        initializers = [
            numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
        ]
        graph = helper.make_graph(nodes, "toy", [ends["inputs"]], [ends["outputs"]], initializers)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def description(self) -> Description:
        """What an exporter would say of this model."""
        return Description(
            task=self.task,
            opset=OPSET,
            labels=(),
            **picture_tensors(self.channels, self.scale),
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
            scores={},
            directions=(),
            sound=None,
            sequence=None,
            pictures=PictureModel(
                scale=self.scale,
                multiple=self.multiple,
                halo=self.halo,
                border="replicate",
                degradation="bicubic",
            ),
        )


def make_upscaler(root: Path, name: str = "larger", toy: ToyUpscaler | None = None) -> Path:
    """Publish the next version of a toy under `root`, not released; returns its folder."""
    toy = toy or ToyUpscaler()
    with new_version(root, name) as draft:
        (draft.path / "model.onnx").write_bytes(toy.model().SerializeToString())
        cases = [
            Case({"pictures": picture}, toy.images(picture))
            for picture in golden_pictures(toy.channels, toy.multiple)
        ]
        write_golden(draft.path / "golden.npz", Golden(tuple(cases)))
        return draft.publish(toy.description())


def _convolve(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A 3x3 convolution of `[N, C, H, W]` with zeros around it."""
    height, width = values.shape[2:]
    padded = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1)))
    total = np.zeros((len(values), len(weights), height, width))
    for row in range(3):
        for column in range(3):
            part = padded[:, :, row : row + height, column : column + width]
            total += np.einsum("nchw,oc->nohw", part, weights[:, :, row, column])
    return total
