"""Describes the server and its models as the protocol does."""

from collections.abc import Sequence
from importlib.metadata import version

from mirage.bundle.format.manifest import Manifest
from mirage.service.inference.schemas import ModelMetadata, ServerMetadata
from mirage.service.inference.tensors import inputs_of, outputs_of

DISTRIBUTION = "mirage-gan"
EXTENSIONS = ["binary_tensor_data"]
PLATFORM = "onnxruntime_onnx"


def describe_server() -> ServerMetadata:
    """The server."""
    return ServerMetadata(name="mirage", version=version(DISTRIBUTION), extensions=EXTENSIONS)


def describe_model(manifest: Manifest, versions: Sequence[int]) -> ModelMetadata:
    """A model with its published versions."""
    return ModelMetadata(
        name=manifest.name,
        versions=[str(number) for number in versions],
        platform=PLATFORM,
        inputs=inputs_of(manifest),
        outputs=outputs_of(manifest),
    )
