"""Holds an inference request against a model: its tensors become latents and labels."""

from mirage.bundle.format.manifest import Manifest
from mirage.service.api.openinference.codec import ParsedRequest
from mirage.service.api.openinference.schemas import InferenceInput, TensorMetadata
from mirage.service.api.openinference.tensors import (
    IMAGES,
    Array,
    check_tensor,
    from_bytes,
    from_json,
    inputs_of,
)
from mirage.service.errors import InvalidValue
from mirage.service.settings import Settings
from mirage.service.tasks.generate import GenerateJob, check_limits, checked_latents


def build_job(parsed: ParsedRequest, manifest: Manifest, settings: Settings) -> GenerateJob:
    """Check the inputs against the model and the limits, and read their values.

    Raises InvalidValue, LimitExceeded.
    """
    wanted = inputs_of(manifest)
    given = _by_name(parsed, wanted)
    count = _count(given["latents"][0])
    for tensor in wanted:
        check_tensor(given[tensor.name][0], tensor, count)
    check_limits(count, manifest, settings)
    arrays = {name: _values(*tensor) for name, tensor in given.items()}
    latents = checked_latents(arrays["latents"], manifest.latent_dim)
    return GenerateJob(latents, _checked_labels(arrays.get("labels"), manifest), None, 0)


def wants_binary(parsed: ParsedRequest) -> bool:
    """Whether the images go behind the JSON; raises InvalidValue for outputs that no model has."""
    fields = parsed.fields
    names = [output.name for output in fields.outputs]
    if names not in ([], [IMAGES]):
        raise InvalidValue.of("outputs", f"outputs are {names!r:.100}; {[IMAGES]} are allowed")
    own = fields.outputs[0].parameters.binary_data if names else None
    return bool(fields.parameters.binary_data_output if own is None else own)


def _by_name(
    parsed: ParsedRequest, wanted: list[TensorMetadata]
) -> dict[str, tuple[InferenceInput, memoryview | None]]:
    """Each input with its binary part; raises InvalidValue unless they are those of the model."""
    names = [tensor.name for tensor in parsed.fields.inputs]
    allowed = [tensor.name for tensor in wanted]
    if sorted(names) != sorted(allowed):
        raise InvalidValue.of(
            "inputs", f"inputs are {names!r:.100}; the model takes {', '.join(allowed)}, each once"
        )
    tensors = zip(parsed.fields.inputs, parsed.binary, strict=True)
    return dict(zip(names, tensors, strict=True))


def _count(latents: InferenceInput) -> int:
    """How many images: the first dimension of the latents, at least 1; raises InvalidValue."""
    count = latents.shape[0] if latents.shape else 0
    if not count:
        raise InvalidValue.of(
            "latents", f"shape of latents is {latents.shape}; [n, latent_dim] with n ≥ 1 is allowed"
        )
    return count


def _values(tensor: InferenceInput, binary: memoryview | None) -> Array:
    if binary is None:
        return from_json(tensor.data or [], tensor.name, tensor.datatype, tensor.shape)
    return from_bytes(binary, tensor.name, tensor.datatype, tensor.shape)


def _checked_labels(labels: Array | None, manifest: Manifest) -> Array | None:
    """int64 `[n]` within the classes, None for a model without; raises InvalidValue."""
    if labels is None:
        return None
    wrong = labels[(labels < 0) | (labels >= manifest.num_classes)]
    if wrong.size:
        raise InvalidValue.of(
            "labels",
            f"label is {wrong[0]}; class indices 0 … {manifest.num_classes - 1} are allowed",
        )
    return labels
