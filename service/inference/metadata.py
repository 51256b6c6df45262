"""Describes the server and its models as the protocol does."""

import asyncio
from importlib.metadata import version

from mirage.bundle.errors import BundleError
from mirage.bundle.manifest import Manifest
from mirage.bundle.store import list_versions
from mirage.service.errors import NoSuchModel
from mirage.service.inference.schemas import ModelMetadata, ServerMetadata
from mirage.service.inference.tensors import inputs_of, outputs_of
from mirage.service.settings import Settings

DISTRIBUTION = "mirage-gan"
EXTENSIONS = ["binary_tensor_data"]
PLATFORM = "onnxruntime_onnx"


def describe_server() -> ServerMetadata:
    """The server."""
    return ServerMetadata(name="mirage", version=version(DISTRIBUTION), extensions=EXTENSIONS)


async def describe_model(manifest: Manifest, settings: Settings) -> ModelMetadata:
    """A model with its published versions; raises NoSuchModel when it has just been removed."""
    try:
        versions = await asyncio.to_thread(list_versions, settings.models, manifest.name)
    except BundleError:
        raise NoSuchModel(f"model is {manifest.name!r}; it is no longer published") from None
    return ModelMetadata(
        name=manifest.name,
        versions=[str(number) for number in versions],
        platform=PLATFORM,
        inputs=inputs_of(manifest),
        outputs=outputs_of(manifest),
    )
