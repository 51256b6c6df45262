"""Checks inference requests against a model, and converts their tensors to jobs."""

from dataclasses import dataclass

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.openinference.codec import ParsedRequest
from mirage.service.api.openinference.schemas import InferenceInput, TensorMetadata
from mirage.service.api.openinference.tensors import (
    Array,
    check_tensor,
    from_bytes,
    from_json,
    inputs_of,
)
from mirage.service.errors import InvalidValue, LimitExceeded
from mirage.service.media.tiling import tile_side
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateJob, check_count, check_limits, checked_latents
from mirage.service.tasks.upscale import check_enlarged, count_images


@dataclass(frozen=True)
class PictureJob:
    """Pictures, uint8 `[n, H, W, C]`, not tiled; `charge` is their count in rate limits."""

    pictures: Array
    charge: int

    @property
    def arrays(self) -> tuple[Array]:
        """The only input of the model."""
        return (self.pictures,)

    @property
    def weight(self) -> int:
        """Pixels of a picture."""
        return int(self.pictures[0, :, :, 0].size)

    @property
    def count(self) -> int:
        """Number of pictures."""
        return len(self.pictures)


SHAPES = {"latents": "latent_dim", "pictures": "H, W, C"}  # shape of an item in error messages


def build_job(
    parsed: ParsedRequest, manifest: Manifest, settings: Settings
) -> GenerateJob | PictureJob:
    """Check the inputs against the model and the limits, and convert their values.

    Raises InvalidValue, LimitExceeded.
    """
    wanted = inputs_of(manifest)
    given = _by_name(parsed, wanted)
    first = given[wanted[0].name][0]
    count = _count(first, wanted[0], settings)
    for tensor in wanted:
        check_tensor(given[tensor.name][0], tensor, count)
    if manifest.pictures is not None:
        charge = _check_pictures(first, manifest, settings)
        return PictureJob(_values(*given[first.name]), charge)
    check_limits(count, manifest, settings)
    arrays = {name: _values(*tensor) for name, tensor in given.items()}
    latents = checked_latents(arrays["latents"], manifest.latent_dim)
    return GenerateJob(latents, _checked_labels(arrays.get("labels"), manifest), None, 0)


def _check_pictures(tensor: InferenceInput, manifest: Manifest, settings: Settings) -> int:
    """Check that pictures fit one run of the model; returns their count in rate limits."""
    model = manifest.pictures
    assert model is not None  # the manifest of a model that takes pictures has it
    count, height, width, _ = tensor.shape
    check_count(count, settings, tensor.name)
    side = tile_side(settings.tile, model.halo, model.multiple)
    if height * width > side**2 or height % model.multiple or width % model.multiple:
        raise LimitExceeded.of(
            tensor.name,
            f"{tensor.name} have {width}x{height} pixels each; here, up to {side**2} pixels and"
            f" sides that are multiples of {model.multiple} are allowed;"
            f" /{manifest.task} takes others",
        )
    check_enlarged(height, width, count, model.scale, settings, tensor.name)
    return count * count_images(height, width, model.scale)


def wants_binary(parsed: ParsedRequest, manifest: Manifest) -> bool:
    """Return whether the client wants a binary output. Raises InvalidValue for unknown outputs."""
    fields = parsed.fields
    names, own = [output.name for output in fields.outputs], [manifest.outputs[0].name]
    if names not in ([], own):
        raise InvalidValue.of("outputs", f"outputs are {names!r:.100}; {own} are allowed")
    wanted = fields.outputs[0].parameters.binary_data if names else None
    return bool(fields.parameters.binary_data_output if wanted is None else wanted)


def _by_name(
    parsed: ParsedRequest, wanted: list[TensorMetadata]
) -> dict[str, tuple[InferenceInput, memoryview | None]]:
    """Return each input with its binary part. Raises InvalidValue for wrong inputs."""
    names = [tensor.name for tensor in parsed.fields.inputs]
    allowed = [tensor.name for tensor in wanted]
    if sorted(names) != sorted(allowed):
        raise InvalidValue.of(
            "inputs", f"inputs are {names!r:.100}; the model takes {', '.join(allowed)}, each once"
        )
    tensors = zip(parsed.fields.inputs, parsed.binary, strict=True)
    return dict(zip(names, tensors, strict=True))


def _count(tensor: InferenceInput, wanted: TensorMetadata, settings: Settings) -> int:
    """Return the first dimension of an input. Raises InvalidValue below 1, and LimitExceeded."""
    count = tensor.shape[0] if tensor.shape else 0
    if not count:
        axes = SHAPES.get(wanted.name, str(wanted.shape[1:]))
        raise InvalidValue.of(
            wanted.name,
            f"shape of {wanted.name} is {tensor.shape}; [n, {axes}] with n ≥ 1 is allowed",
        )
    check_count(count, settings)
    return count


def _values(tensor: InferenceInput, binary: memoryview | None) -> Array:
    if binary is None:
        return from_json(tensor.data or [], tensor.name, tensor.datatype, tensor.shape)
    return from_bytes(binary, tensor.name, tensor.datatype, tensor.shape)


def _checked_labels(labels: Array | None, manifest: Manifest) -> Array | None:
    """Return the labels, int64 `[n]`, or None without classes. Raises InvalidValue."""
    if labels is None:
        return None
    wrong = labels[(labels < 0) | (labels >= manifest.num_classes)]
    if wrong.size:
        raise InvalidValue.of(
            "labels",
            f"label is {wrong[0]}; class indices 0 … {manifest.num_classes - 1} are allowed",
        )
    return labels
