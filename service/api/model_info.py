"""Describes models: what is published, released and in memory, and how it runs."""

import asyncio
from datetime import datetime

from pydantic import BaseModel, Field

from mirage.bundle.errors import BundleError
from mirage.bundle.format.interface import Image, OutputMeaning
from mirage.bundle.format.manifest import Manifest, PictureModel, Score, Task, Training
from mirage.bundle.store.directions import NamedDirections
from mirage.bundle.store.layout import list_models, list_versions
from mirage.bundle.store.members import graph_hash
from mirage.service.api.content.attachment import CARD, SAMPLES
from mirage.service.api.output_form import SequenceDetail, SoundDetail, describe_form
from mirage.service.api.state import Service
from mirage.service.engines.runtime import software
from mirage.service.errors import NoSuchModel
from mirage.service.media.pictures import MAX_SIDE
from mirage.service.tasks.requests import AMOUNT_BOUND, LATENT_BOUND
from mirage.service.versions.releases import ReleasedModel
from mirage.service.versions.version import LoadedVersion, Servable


class CanaryDetail(BaseModel):
    """The version that answers for a share of the seeds."""

    version: int = Field(description="what requests call it", examples=[3])
    share: float = Field(description="0 … 1 of the seeds", examples=[0.05])


class RefusalDetail(BaseModel):
    """What is to be released but does not answer, so that what answered before still does."""

    version: int | None = Field(description="null: release.json is broken or gone", examples=[2])
    canary: bool = Field(description="was to be the canary", examples=[False])
    reason: str = Field(description="of a closed list, see models/README", examples=["file_hash"])
    since: datetime = Field(description="UTC", examples=["2026-01-31T12:00:00Z"])


class ModelSummary(BaseModel):
    """One model: `released` is the version that answers when none is named, or null."""

    name: str = Field(description="what requests call it", examples=["mnist"])
    released: int | None = Field(
        description="version that answers when none is named; null: none does", examples=[1]
    )
    versions: list[int] = Field(
        description="published; those in memory when the disk cannot be read", examples=[[1]]
    )
    default: bool = Field(
        description="answers when a request for its task names no model", examples=[True]
    )
    task: Task | None = Field(
        None, description="what it does; null: no version is in memory", examples=["generate"]
    )
    output: OutputMeaning | None = Field(
        None, description="what it makes; null: no version is in memory", examples=["images"]
    )
    scale: int | None = Field(
        None, description="how many times as large its images are as pictures", examples=[None]
    )
    canary: CanaryDetail | None = Field(None, description="null: there is none", examples=[None])
    loading: int | None = Field(
        None, description="version that is about to be released; null: none is", examples=[None]
    )
    refused: RefusalDetail | None = Field(
        None, description="null: what is to be released answers", examples=[None]
    )
    storage_error: str | None = Field(
        None, description="why its folder cannot be read; null: it can", examples=[None]
    )


class ModelList(BaseModel):
    """All models; with a storage error those that serve."""

    models: list[ModelSummary]
    storage_error: str | None = Field(
        None, description="why the folder of models cannot be read; null: it can", examples=[None]
    )


class Runtime(BaseModel):
    """What the bytes of an image depend on besides the bundle."""

    provider: str = Field(description="onnxruntime execution provider", examples=["cpu"])
    precision: str = Field(description="of the engine's numbers", examples=["float32"])
    mirage: str = Field(description="its version", examples=["0.1.0"])
    onnxruntime: str = Field(description="its version", examples=["1.32.0"])
    instruction_set: str = Field(
        description="machine, and those instructions that results may depend on",
        examples=["x86_64 avx fma avx2"],
    )


class Limits(BaseModel):
    """What one request may ask for; bounds of fields stand in the OpenAPI document."""

    images_per_request: int = Field(description="images of /generate", examples=[256])
    frames_per_request: int = Field(description="frames of /interpolate", examples=[256])
    megapixels_per_request: float = Field(description="10^6 pixels of either", examples=[64])
    body_bytes: int = Field(description="bytes of a body", examples=[8388608])
    json_bytes: int = Field(description="bytes of JSON", examples=[1048576])
    json_items: int = Field(description="commas, colons and brackets of JSON", examples=[70000])
    deadline_s: float = Field(description="longest time to an answer", examples=[30])
    picture_bytes: int = Field(
        description="bytes of a picture, or of a ZIP of pictures", examples=[33554432]
    )
    picture_megapixels: float = Field(description="10^6 pixels of a picture", examples=[16])
    picture_side: int = Field(MAX_SIDE, description="pixels", examples=[MAX_SIDE])
    picture_deadline_s: float = Field(
        description="longest time to an answer of /upscale", examples=[120]
    )
    latent_bound: float = Field(
        LATENT_BOUND, description="largest absolute value of a latent", examples=[LATENT_BOUND]
    )
    direction_bound: float = Field(
        AMOUNT_BOUND, description="farthest way along a direction", examples=[AMOUNT_BOUND]
    )


class DirectionDetail(BaseModel):
    """One latent direction, by index, by name, or by either."""

    index: int | None = Field(
        description="what requests call it; null: its owner added it under a name", examples=[0]
    )
    name: str | None = Field(
        description="what requests may call it too; null: it has no name", examples=["smile"]
    )
    strength: float | None = Field(
        description="share, 0 … 1, of what the first layer makes of random latents; null: unknown",
        examples=[0.12],
    )


class PictureDetail(PictureModel):
    """How a model takes pictures; `tile` is the side of the parts in which it runs here."""

    channels: int = Field(description="of the model: grey, RGB, RGBA", examples=[3])
    tile: int = Field(description="pixels", examples=[256])


class MemberDetail(BaseModel):
    """A version that makes a share of an ensemble's images."""

    version: int = Field(description="of the same model", examples=[1])
    weight: float = Field(description="its share is its part of all weights", examples=[0.5])


class VersionDetail(BaseModel):
    """One version in memory; `sha256` is the hash of its graph, or of its members' hashes."""

    version: int = Field(description="what requests call it", examples=[1])
    sha256: str = Field(
        description="of the graph; of an ensemble, of its members' one after the other",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    size_bytes: int = Field(description="of the graph, or of all members'", examples=[4194304])
    created: datetime = Field(description="UTC", examples=["2026-01-31T12:00:00Z"])
    task: str = Field(description="what the model does", examples=["generate"])
    opset: int = Field(description="ONNX operator set", examples=[20])
    latent_dim: int = Field(description="values of a latent", examples=[64])
    labels: tuple[str, ...] = Field(
        description="class names by index; none: unconditional", examples=[["0", "1", "2"]]
    )
    output: OutputMeaning = Field(description="what the model makes", examples=["images"])
    image: Image | None = Field(
        None,
        description="height and width in pixels, and channels; null: as the picture's, or no image",
    )
    sound: SoundDetail | None = Field(
        None, description="of a model whose output is audio", examples=[None]
    )
    sequence: SequenceDetail | None = Field(
        None, description="of a model whose output is tokens", examples=[None]
    )
    pictures: PictureDetail | None = Field(
        description="how it takes pictures; null: it takes none", examples=[None]
    )
    truncation: str = Field(description="how truncation acts on latents", examples=["scale"])
    training: Training = Field(description="where the model comes from")
    scores: dict[str, Score] = Field(
        description="value, and floor: the same measure of real data against real data",
        examples=[{"frechet": {"value": 2.5, "floor": 0.4, "n": 10000}}],
    )
    directions: list[DirectionDetail] = Field(
        description="the strongest first, then those of their owner, by name"
    )
    members: list[MemberDetail] = Field(
        description="of an ensemble, which makes images of seeds only; none: it is no ensemble",
        examples=[[]],
    )
    samples: bool = Field(
        description="whether GET /models/{name}/samples has a grid of it", examples=[True]
    )
    card: bool = Field(
        description="whether GET /models/{name}/card has a text about it", examples=[True]
    )


class ModelDetail(ModelSummary):
    """One model, its versions in memory, and the runtime that they share."""

    runtime: Runtime
    limits: Limits
    loaded: list[VersionDetail]


async def list_known(service: Service) -> ModelList:
    """All models on disk and in memory, by name."""
    names, storage_error = service.models.names(), None
    try:
        names.update(await asyncio.to_thread(list_models, service.settings.models))
    except BundleError as error:
        storage_error = error.reason
    found = [await _summary(service, name) for name in sorted(names)]
    return ModelList(
        models=[summary for summary in found if summary is not None], storage_error=storage_error
    )


async def describe_model(service: Service, name: str) -> ModelDetail:
    """One model; raises NoSuchModel, and NotReady when that cannot be told."""
    summary = await _summary(service, name)
    if summary is None:
        await service.models.versions(name)  # raises NotReady
        raise NoSuchModel(f"model is {name!r:.100}; GET /models lists the models")
    return ModelDetail(
        **summary.model_dump(),
        runtime=Runtime(
            **_kind(service, name),
            **software(),
        ),
        limits=Limits(**service.settings.model_dump(include=set(Limits.model_fields))),
        loaded=[_detail(service, version) for version in service.models.loaded(name)],
    )


async def _summary(service: Service, name: str) -> ModelSummary | None:
    """What is known of a model; None when it is neither on disk nor in memory."""
    storage_error = None
    try:
        versions = await asyncio.to_thread(list_versions, service.settings.models, name)
    except BundleError as error:
        storage_error = error.reason
        versions = sorted(loaded.manifest.version for loaded in service.models.loaded(name))
    if not versions:
        return None
    model = service.models.get(name)
    loaded = (model.servables() if model else []) or service.models.loaded(name)
    manifest = loaded[0].manifest if loaded else None
    return ModelSummary(
        name=name,
        released=service.models.released(name),
        versions=versions,
        default=service.models.is_default(name),
        task=manifest.task if manifest else None,
        output=manifest.made if manifest else None,
        scale=manifest.pictures.scale if manifest and manifest.pictures else None,
        canary=_canary(model),
        loading=model.loading if model else None,
        refused=_refusal(model),
        storage_error=storage_error,
    )


def _kind(service: Service, name: str) -> dict[str, str]:
    """How the version runs that answers; before one does, what is asked for."""
    model = service.models.get(name)
    versions = (model.servables() if model else []) or service.models.loaded(name)
    if not versions:
        settings = service.settings
        return {"provider": settings.provider, "precision": settings.precision}
    config = versions[0].members[0].provider_config
    return {"provider": config.provider, "precision": config.precision}


def _canary(model: ReleasedModel | None) -> CanaryDetail | None:
    if model is None or model.canary is None:
        return None
    return CanaryDetail(version=model.canary.manifest.version, share=model.share)


def _refusal(model: ReleasedModel | None) -> RefusalDetail | None:
    if model is None or model.refusal is None:
        return None
    found = model.refusal
    return RefusalDetail(
        version=found.version, canary=found.of_canary, reason=found.reason, since=found.since
    )


def _detail(service: Service, version: Servable) -> VersionDetail:
    manifest = version.manifest
    members = [member.manifest for member in version.members]
    graphs = [member.files["model.onnx"] for member in members]
    return VersionDetail(
        version=manifest.version,
        sha256=graph_hash(members),
        size_bytes=sum(graph.size_bytes for graph in graphs),
        created=manifest.created,
        task=manifest.task,
        opset=manifest.opset,
        latent_dim=manifest.latent_dim,
        labels=manifest.labels,
        output=manifest.made,
        **describe_form(manifest),
        pictures=_pictures(version.members[0]),
        truncation=manifest.truncation,
        training=manifest.training,
        scores=manifest.scores,
        directions=_directions(manifest, service.models.directions.of(manifest)),
        members=[MemberDetail(**dict(member)) for member in manifest.members],
        samples=SAMPLES in manifest.files,
        card=CARD in manifest.files,
    )


def _directions(manifest: Manifest, named: NamedDirections) -> list[DirectionDetail]:
    names = {each.index: called for called, each in reversed(list(named.items()))}
    numbered = [
        DirectionDetail(index=index, name=names.get(index), strength=direction.strength)
        for index, direction in enumerate(manifest.directions)
    ]
    further = [
        DirectionDetail(index=None, name=called, strength=None)
        for called, each in named.items()
        if each.index is None
    ]
    return numbered + further


def _pictures(version: LoadedVersion) -> PictureDetail | None:
    model = version.manifest.pictures
    if model is None:
        return None
    channels = version.manifest.outputs[0].sizes[3] or 1
    return PictureDetail(**model.model_dump(), channels=channels, tile=version.tile)
