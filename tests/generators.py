"""Toy generators of sounds and sequences: whole bundles whose weights mean nothing."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mirage.bundle.format.details import Sound, Symbols
from mirage.bundle.format.golden import Case, Golden, golden_inputs, write_golden
from mirage.bundle.format.interface import OutputMeaning, Tensor, audio_tensors, token_tensors
from mirage.bundle.format.manifest import Description, Direction, Training
from mirage.bundle.store.publish import new_version
from tests.bundles import IR_VERSION, OPSET

ELEMENT_TYPES = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int16": TensorProto.INT16,
    "uint8": TensorProto.UINT8,
}


@dataclass(frozen=True)
class _ToyGenerator(ABC):
    """A toy whose first layer is latents · weight + style[labels], float32 `[n, width]`."""

    labels: tuple[str, ...] = ("low", "high")
    length: int = 40
    latent_dim: int = 5
    seed: int = 0  # of the weights

    @property
    @abstractmethod
    def width(self) -> int:
        """The number of values that the first layer makes of each item."""

    @property
    @abstractmethod
    def tensors(self) -> dict[str, tuple[Tensor, ...]]:
        """Inputs and outputs."""

    @property
    @abstractmethod
    def details(self) -> dict[str, Sound | Symbols | None]:
        """The manifest's fields on this kind of output."""

    @abstractmethod
    def convert(self, values: np.ndarray) -> np.ndarray:
        """What the nodes after the first layer make of its values."""

    @abstractmethod
    def conversion(self) -> tuple[list[NodeProto], dict[str, np.ndarray]]:
        """These nodes, from `values` to the output, and their constants."""

    @property
    def weight(self) -> np.ndarray:
        """The first layer's weight."""
        rng = np.random.default_rng(self.seed)
        return rng.normal(0, 0.3, (self.latent_dim, self.width)).astype(np.float32)

    @property
    def style(self) -> np.ndarray:
        """What each class adds."""
        rng = np.random.default_rng(self.seed + 1)
        return rng.normal(0, 0.3, (len(self.labels), self.width)).astype(np.float32)

    def made(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """What the graph makes of float32 `[n, latent_dim]` and int64 `[n]`."""
        values: np.ndarray = latents @ self.weight
        return self.convert(values if labels is None else values + self.style[labels])

    def model(self) -> onnx.ModelProto:
        """The graph, with `labels` as an input when there are classes."""
        nodes, constants = self.conversion()
        graph = helper.make_graph(
            [*self._first_layer(), *nodes],
            "toy",
            [_value(tensor) for tensor in self.tensors["inputs"]],
            [_value(tensor) for tensor in self.tensors["outputs"]],
            [
                numpy_helper.from_array(value, name)
                for name, value in (constants | self._weights()).items()
            ],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _weights(self) -> dict[str, np.ndarray]:
        return {"weight": self.weight, **({"style": self.style} if self.labels else {})}

    def _first_layer(self) -> Iterator[NodeProto]:
        if not self.labels:
            yield helper.make_node("MatMul", ["latents", "weight"], ["values"])
            return
        yield helper.make_node("MatMul", ["latents", "weight"], ["plain"])
        yield helper.make_node("Gather", ["style", "labels"], ["styles"])
        yield helper.make_node("Add", ["plain", "styles"], ["values"])

    def golden(self) -> Golden:
        """The golden inputs and what is made of them."""
        inputs = golden_inputs(self.latent_dim, len(self.labels))
        return Golden((Case(inputs, self.made(**inputs), self.tensors["outputs"][0].name),))

    def description(self) -> Description:
        """What an exporter would say of this model."""
        axes = np.eye(self.latent_dim)[:2]
        return Description(
            task="generate",
            opset=OPSET,
            labels=self.labels,
            **self.tensors,
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
            directions=tuple(Direction(vector=tuple(axis.tolist()), strength=0.5) for axis in axes),
            pictures=None,
            **self.details,
        )


@dataclass(frozen=True)
class ToySounds(_ToyGenerator):
    """Sounds: round(32767 · clip(values, -1, 1)) as int16."""

    sample_rate: int = 8000

    @property
    def width(self) -> int:
        return self.length

    @property
    def tensors(self) -> dict[str, tuple[Tensor, ...]]:
        return audio_tensors(self.latent_dim, len(self.labels), self.length)

    @property
    def details(self) -> dict[str, Sound | Symbols | None]:
        return {"sound": Sound(sample_rate=self.sample_rate), "sequence": None}

    def convert(self, values: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = np.clip(values, -1, 1).astype(np.float32) * np.float32(32767)
        return np.round(scaled).astype(np.int16)

    def conversion(self) -> tuple[list[NodeProto], dict[str, np.ndarray]]:
        nodes = [
            helper.make_node("Clip", ["values", "low", "high"], ["clipped"]),
            helper.make_node("Mul", ["clipped", "loudest"], ["scaled"]),
            helper.make_node("Round", ["scaled"], ["rounded"]),
            helper.make_node("Cast", ["rounded"], ["audio"], to=TensorProto.INT16),
        ]
        levels = {"low": -1, "high": 1, "loudest": 32767}
        return nodes, {name: np.array(level, np.float32) for name, level in levels.items()}


@dataclass(frozen=True)
class ToySequences(_ToyGenerator):
    """Sequences: the index of the largest of the values of each position, as uint8."""

    length: int = 12
    alphabet: str = "ACGT"
    padding: str | None = None

    @property
    def width(self) -> int:
        return self.length * len(self.alphabet)

    @property
    def tensors(self) -> dict[str, tuple[Tensor, ...]]:
        return token_tensors(self.latent_dim, len(self.labels), self.length)

    @property
    def details(self) -> dict[str, Sound | Symbols | None]:
        return {"sound": None, "sequence": Symbols(alphabet=self.alphabet, padding=self.padding)}

    def convert(self, values: np.ndarray) -> np.ndarray:
        positions = values.reshape(-1, self.length, len(self.alphabet))
        return positions.argmax(axis=2).astype(np.uint8)

    def conversion(self) -> tuple[list[NodeProto], dict[str, np.ndarray]]:
        nodes = [
            helper.make_node("Reshape", ["values", "shape"], ["symbols"]),
            helper.make_node("ArgMax", ["symbols"], ["indices"], axis=2, keepdims=0),
            helper.make_node("Cast", ["indices"], ["tokens"], to=TensorProto.UINT8),
        ]
        shape = np.array([-1, self.length, len(self.alphabet)], np.int64)
        return nodes, {"shape": shape}

    def texts(self, latents: np.ndarray, labels: np.ndarray | None = None) -> list[str]:
        """What the graph makes, as text without padding."""
        rows = [
            "".join(self.alphabet[token] for token in row) for row in self.made(latents, labels)
        ]
        return [row.split(self.padding)[0] if self.padding else row for row in rows]


MADE: dict[OutputMeaning, _ToyGenerator] = {"audio": ToySounds(), "tokens": ToySequences()}


def publish_generator(root: Path, toy: _ToyGenerator, name: str) -> Path:
    """Publish a toy as the next version of `name`, not released; returns its folder."""
    with new_version(root, name) as draft:
        (draft.path / "model.onnx").write_bytes(toy.model().SerializeToString())
        write_golden(draft.path / "golden.npz", toy.golden())
        return draft.publish(toy.description())


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, ELEMENT_TYPES[tensor.dtype], tensor.shape)
