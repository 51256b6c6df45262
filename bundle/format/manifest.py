"""The schema of `manifest.json`."""

import json
import math
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    ValidationError,
    model_validator,
)

from mirage.bundle.errors import BundleError
from mirage.bundle.format.details import DETAILS, Sound, Symbols
from mirage.bundle.format.interface import (
    ENCODER,
    Fields,
    Image,
    OutputMeaning,
    Tensor,
    Tensors,
    check_generator,
    check_picture_model,
    describe,
    find,
)
from mirage.bundle.format.strict_json import describe_faults, parse_object
from mirage.bundle.format.upgrades import UPGRADES, upgrade

FORMAT_VERSION = 7
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
REQUIRED_FILES = ("model.onnx", "golden.npz")
NOT_OF_ENSEMBLES = frozenset((*REQUIRED_FILES, ENCODER, "weights.safetensors"))

IMPORTED = "imported"  # the preset of a generator that was trained elsewhere
MAX_CLASSES = 10_000
MAX_DIRECTIONS = 64
MAX_MEMBERS = 64
NORM_TOLERANCE = 1e-3  # of the length of a direction's vector, which is 1


ModelName = Annotated[str, Field(pattern=NAME_PATTERN)]
# Plain names only: no separators and no leading dot, so that no path can leave the folder.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")]
ScoreName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ClassName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Count = Annotated[int, Field(ge=1)]
Component = Annotated[float, Field(ge=-1, le=1)]
Task = Literal["generate", "upscale", "translate"]


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() != timedelta(0):
        raise ValueError("must be in UTC")
    return moment


def _unique(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) != len(labels):
        raise ValueError("class names must differ from each other")
    return labels


def _unit(vector: tuple[float, ...]) -> tuple[float, ...]:
    length = math.hypot(*vector)
    if abs(length - 1) > NORM_TOLERANCE:
        raise ValueError(f"must have length 1, not {length:g}")
    return vector


def _without_manifest(files: dict[str, "FileEntry"]) -> dict[str, "FileEntry"]:
    if "manifest.json" in files:
        raise ValueError("must not list manifest.json, which cannot hold its own hash")
    return files


def _several(members: tuple["Member", ...]) -> tuple["Member", ...]:
    versions = {member.version for member in members}
    if len(versions) != len(members):
        raise ValueError("versions of members must differ from each other")
    if len(members) == 1:
        raise ValueError("must be two or more, or none")
    return members


UnitVector = Annotated[tuple[Component, ...], AfterValidator(_unit)]


class FileEntry(Fields):
    """The hash (lowercase hexadecimal) and the size of one file."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0)]


class Training(Fields):
    """The origin of a model; `kimg` counts the images shown in training, in thousands.

    Of an imported generator the preset is `IMPORTED`, the fingerprint is the sha256 of its file,
    and kimg is 0, since it is unknown.
    """

    preset: Annotated[Line, Field(description="networks and schedule", examples=["mnist"])]
    data_fingerprint: Annotated[Line, Field(description="hash of the images", examples=["3f2a9c"])]
    kimg: Annotated[float, Field(ge=0, description="thousands of images", examples=[1500.0])]
    seed: Annotated[int, Field(ge=0, lt=2**64, description="of the run", examples=[0])]
    code_version: Annotated[Line, Field(description="of Mirage", examples=["0.1.0"])]
    torch_version: Annotated[Line, Field(description="of PyTorch", examples=["2.13.0"])]


class Score(Fields):
    """A measured score; `floor` is the score of real images, `n` the number of images scored."""

    value: Annotated[float, Field(description="of generated images", examples=[2.5])]
    floor: Annotated[float | None, Field(description="of real ones", examples=[0.4])] = None
    n: Annotated[Count | None, Field(description="images judged", examples=[10000])] = None


class Direction(Fields):
    """A direction in latent space: a unit vector float32 `[latent_dim]`.

    `strength` is its share, 0 … 1, of the variance of the first layer's output over random
    latents.
    """

    vector: UnitVector
    strength: Annotated[float, Field(ge=0, le=1)]


class Member(Fields):
    """A member of an ensemble: a version of the same model, and its share of images by weight."""

    version: Annotated[Count, Field(description="of the same model", examples=[1])]
    weight: Annotated[float, Field(gt=0, le=1e6, description="beside others'", examples=[0.5])]


class PictureModel(Fields):
    """How a model that takes pictures can be run on tiles.

    The sides of an image are `scale` times those of its picture. Sides and positions of tiles are
    multiples of `multiple` pixels; other pictures are padded as `border` says. A pixel of the image
    depends only on pixels of the picture at most `halo` pixels away. The graph itself decides what
    lies beyond the edges of a picture.
    """

    scale: Annotated[int, Field(ge=1, le=8, description="side of image / picture", examples=[4])]
    multiple: Annotated[int, Field(ge=1, le=64, description="pixels", examples=[1])]
    halo: Annotated[int, Field(ge=0, le=1024, description="pixels", examples=[12])]
    border: Annotated[
        Literal["replicate"], Field(description="edge pixels are repeated", examples=["replicate"])
    ]
    degradation: Annotated[Line, Field(description="of training pictures", examples=["bicubic"])]


class Description(Fields):
    """The part of the manifest that the exporter writes.

    `pictures` is set if and only if the model takes pictures; then it has no other inputs. `sound`
    is set if and only if the output is `audio`, and `sequence` if and only if it is `tokens`.
    """

    task: Task
    opset: Count
    inputs: Tensors
    outputs: Tensors
    labels: Annotated[tuple[ClassName, ...], Field(max_length=MAX_CLASSES), AfterValidator(_unique)]
    truncation: Literal["scale"]
    golden_tolerance: Annotated[float, Field(ge=0, le=255)]  # `Output.unit`
    training: Training
    scores: dict[ScoreName, Score]
    directions: Annotated[tuple[Direction, ...], Field(max_length=MAX_DIRECTIONS)]
    pictures: PictureModel | None
    sound: Sound | None
    sequence: Symbols | None

    @model_validator(mode="after")
    def _check_tensors(self) -> Self:
        if (self.pictures is None) != (self.task == "generate"):
            raise ValueError(
                f"pictures are {self.pictures!r}; task {self.task} does not allow that"
            )
        if self.pictures is None:
            check_generator(self.inputs, self.outputs, self.num_classes)
        elif self.labels:
            raise ValueError(f"labels are {len(self.labels)}; a model of pictures has none")
        elif self.task == "translate" and self.pictures.scale != 1:
            raise ValueError(f"scale is {self.pictures.scale}; 1 is allowed for translate")
        else:
            check_picture_model(self.inputs, self.outputs, self.pictures.scale)
        return self

    @model_validator(mode="after")
    def _check_details(self) -> Self:
        for name, meaning in DETAILS.items():
            value = getattr(self, name)
            if (value is None) == (self.made == meaning):
                raise ValueError(f"{name} is {value!r}; output {self.made} does not allow that")
        return self

    @model_validator(mode="after")
    def _check_directions(self) -> Self:
        for number, direction in enumerate(self.directions):
            if len(direction.vector) != self.latent_dim:
                raise ValueError(
                    f"directions.{number}.vector has {len(direction.vector)} numbers;"
                    f" latent_dim is {self.latent_dim}"
                )
        return self

    @property
    def num_classes(self) -> int:
        """The number of classes; 0 for unconditional models."""
        return len(self.labels)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Inputs followed by outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def latent_dim(self) -> int:
        """The length of a latent vector; 0 without latents."""
        latents = find(self.inputs, "latents")
        size = latents.shape[1] if latents else 0
        return size if isinstance(size, int) else 0

    @property
    def made(self) -> OutputMeaning:
        """The meaning of what the model makes."""
        meaning = self.outputs[0].meaning
        assert meaning in ("images", "audio", "tokens")
        return meaning

    @property
    def positions(self) -> int:
        """The size of what is made: pixels of an image, samples of a sound, tokens of a sequence.

        Free axes count as 1.
        """
        return math.prod(size or 1 for size in self.outputs[0].sizes[1:3])

    @property
    def image(self) -> Image:
        """The shape of one image; of an output with the meaning `images`."""
        height, width, channels = self.outputs[0].sizes[1:]
        return Image.model_validate({"height": height, "width": width, "channels": channels})

    def tell_difference(self, other: "Description") -> str:
        """Describe the first difference in what goes in and comes out; empty if there is none."""
        for name in ("inputs", "outputs"):
            own, others = getattr(self, name), getattr(other, name)
            if own != others:
                return f"{name} are {describe(own)}, not {describe(others)}"
        if self.labels != other.labels:
            return f"labels are {self.labels!r:.100}, not {other.labels!r:.100}"
        for name in DETAILS:
            own, others = getattr(self, name), getattr(other, name)
            if own != others:
                return f"{name} is {own!r:.300}, not {others!r:.300}"
        return ""


class Manifest(Description):
    """The manifest: the exporter's description, and the fields that the store adds.

    A version with `members` is an ensemble, which has no graph of its own.
    """

    format_version: Annotated[int, Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)]
    name: ModelName
    version: Count
    created: Annotated[AwareDatetime, AfterValidator(_utc)]
    files: Annotated[
        dict[FileName, FileEntry], Field(max_length=64), AfterValidator(_without_manifest)
    ]
    members: Annotated[tuple[Member, ...], Field(max_length=MAX_MEMBERS), AfterValidator(_several)]

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        missing = [name for name in REQUIRED_FILES if name not in self.files]
        if missing and not self.members:
            raise ValueError(f"files must list {', '.join(missing)}")
        if self.members and (strange := NOT_OF_ENSEMBLES & self.files.keys()):
            raise ValueError(f"files of an ensemble must not list {', '.join(sorted(strange))}")
        if self.has_encoder and self.task != "generate":
            raise ValueError(f"files must not list {ENCODER}; task {self.task} does not allow that")
        if self.has_encoder and self.made != "images":
            raise ValueError(f"files must not list {ENCODER}; output {self.made} forbids that")
        later = [member.version for member in self.members if member.version >= self.version]
        if later:
            raise ValueError(f"members must be older versions; {later} are not")
        return self

    @property
    def has_encoder(self) -> bool:
        """Whether the version has a graph that estimates the latents of a picture."""
        return ENCODER in self.files

    @property
    def description(self) -> Description:
        """The exporter's fields alone."""
        return Description(**{name: getattr(self, name) for name in Description.model_fields})


def parse_manifest(raw: bytes) -> Manifest:
    """Parse a manifest of this or an older format.

    Raises BundleError `format_newer` for a later format, and `manifest_invalid` for other faults.
    """
    try:
        fields = upgrade(parse_object(raw), FORMAT_VERSION, UPGRADES)
        return Manifest.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        problem = describe_faults(error)
    except ValueError as error:
        problem = f"no JSON object: {error}"
    raise BundleError("manifest_invalid", f"manifest.json: {problem}")
