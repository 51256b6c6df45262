"""Describes the models: what is published, what is released, what is in memory and how it runs."""

import asyncio
from datetime import datetime

import onnxruntime
from pydantic import BaseModel, Field

from bundle.errors import BundleError
from bundle.manifest import Image, Manifest, Score, Training
from bundle.store import list_models, list_versions
from service.engine import PRECISION
from service.errors import NoSuchModel
from service.processor import instruction_set
from service.state import Service


class ModelSummary(BaseModel):
    """One model: `released` is the version that answers when none is named, or null."""

    name: str = Field(examples=["mnist"])
    released: int | None = Field(examples=[1])
    versions: list[int] = Field(description="published", examples=[[1]])
    default: bool = Field(description="answers when a request names no model")


class ModelList(BaseModel):
    """All models."""

    models: list[ModelSummary]


class Runtime(BaseModel):
    """What the bytes of an image depend on besides the bundle."""

    provider: str = Field(examples=["cpu"])
    precision: str = Field(examples=[PRECISION])
    onnxruntime: str = Field(examples=["1.32.0"])
    instruction_set: str = Field(examples=["x86_64 avx fma avx2"])


class VersionDetail(BaseModel):
    """One version in memory; `sha256` is the hash of its graph."""

    version: int
    sha256: str
    created: datetime
    latent_dim: int
    labels: tuple[str, ...]
    image: Image
    truncation: str
    training: Training
    scores: dict[str, Score]


class ModelDetail(ModelSummary):
    """One model, its versions in memory, and the runtime that they share."""

    runtime: Runtime
    loaded: list[VersionDetail]


async def list_known(service: Service) -> ModelList:
    """All models on disk, by name."""
    names = await asyncio.to_thread(list_models, service.settings.models)
    return ModelList(models=[await _summary(service, name) for name in names])


async def describe_model(service: Service, name: str) -> ModelDetail:
    """One model; raises NoSuchModel."""
    summary = await _summary(service, name)
    return ModelDetail(
        **summary.model_dump(),
        runtime=Runtime(
            provider=service.settings.provider,
            precision=PRECISION,
            onnxruntime=onnxruntime.__version__,
            instruction_set=instruction_set(),
        ),
        loaded=[_detail(served.manifest) for served in service.models.loaded(name)],
    )


async def _summary(service: Service, name: str) -> ModelSummary:
    try:
        versions = await asyncio.to_thread(list_versions, service.settings.models, name)
    except BundleError:
        versions = []
    if not versions:
        raise NoSuchModel(f"model is {name!r:.100}; GET /models lists the models")
    return ModelSummary(
        name=name,
        released=service.models.released(name),
        versions=versions,
        default=service.models.is_default(name),
    )


def _detail(manifest: Manifest) -> VersionDetail:
    return VersionDetail(
        version=manifest.version,
        sha256=manifest.files["model.onnx"].sha256,
        created=manifest.created,
        latent_dim=manifest.latent_dim,
        labels=manifest.labels,
        image=manifest.image,
        truncation=manifest.truncation,
        training=manifest.training,
        scores=manifest.scores,
    )
