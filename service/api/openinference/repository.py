"""The model configuration and the index of the repository, as Triton answers them."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from mirage.bundle.format.interface import DType, Tensor
from mirage.bundle.format.manifest import Manifest
from mirage.service.api.model_info import ModelSummary
from mirage.service.api.openinference.schemas import Fields, Flag
from mirage.service.api.openinference.tensors import ANY_NUMBER, PLATFORM

BACKEND = "onnxruntime"
DATA_TYPES: dict[DType, str] = {
    "float32": "TYPE_FP32",
    "int64": "TYPE_INT64",
    "int16": "TYPE_INT16",
    "uint8": "TYPE_UINT8",
}
State = Literal["READY", "LOADING", "UNAVAILABLE"]


class TensorConfig(BaseModel):
    """An input or output of a model. A dimension of -1 is free."""

    name: str = Field(description="of the tensor", examples=["latents"])
    data_type: str = Field(description="of its values", examples=["TYPE_FP32"])
    dims: list[int] = Field(description="with the batch; -1: any number", examples=[[-1, 64]])


class SpecificVersions(BaseModel):
    """The versions that are served."""

    versions: list[int] = Field(description="published", examples=[[1]])


class VersionPolicy(BaseModel):
    """Which versions are served."""

    specific: SpecificVersions


class ModelConfig(BaseModel):
    """How a model is run. A `max_batch_size` of 0: `dims` include the batch, which is free."""

    name: str = Field(description="of the model", examples=["mnist"])
    platform: str = Field(description="what runs it", examples=[PLATFORM])
    backend: str = Field(description="what runs it", examples=[BACKEND])
    version_policy: VersionPolicy
    max_batch_size: Literal[0] = Field(description="dims include the batch", examples=[0])
    input: list[TensorConfig]
    output: list[TensorConfig]
    default_model_filename: str = Field(description="of a version", examples=["model.onnx"])


class IndexRequest(Fields):
    """Which versions to list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ready": True}]})

    ready: Flag = Field(
        None, description="only those that are ready; default: all", examples=[True]
    )


class IndexEntry(BaseModel):
    """A published version. A numbered version is loaded by its first inference."""

    name: str = Field(description="of the model", examples=["mnist"])
    version: str = Field(description="of the model", examples=["1"])
    state: State = Field(description="whether it can serve", examples=["READY"])
    reason: str = Field(description="why it cannot, else empty", examples=[""])


class ModelIndex(RootModel[list[IndexEntry]]):
    """All published versions of all models."""


def describe_config(manifest: Manifest, versions: Sequence[int]) -> ModelConfig:
    """Return the configuration of a model with its published versions."""
    return ModelConfig(
        name=manifest.name,
        platform=PLATFORM,
        backend=BACKEND,
        version_policy=VersionPolicy(specific=SpecificVersions(versions=list(versions))),
        max_batch_size=0,
        input=list(map(_config, manifest.inputs)),
        output=list(map(_config, manifest.outputs)),
        default_model_filename="model.onnx",
    )


def _config(tensor: Tensor) -> TensorConfig:
    dims = [ANY_NUMBER if size is None else size for size in tensor.sizes]
    return TensorConfig(name=tensor.name, data_type=DATA_TYPES[tensor.dtype], dims=dims)


def describe_index(models: Sequence[ModelSummary], *, only_ready: bool) -> ModelIndex:
    """Return the index of models; `only_ready` leaves out what cannot serve."""
    entries = [_entry(model, version) for model in models for version in model.versions]
    return ModelIndex([each for each in entries if not only_ready or each.state == "READY"])


def _entry(model: ModelSummary, version: int) -> IndexEntry:
    state: State = "READY"
    reason = ""
    if model.refused is not None and model.refused.version == version:
        state, reason = "UNAVAILABLE", model.refused.reason
    elif model.loading == version:
        state = "LOADING"
    return IndexEntry(name=model.name, version=str(version), state=state, reason=reason)
