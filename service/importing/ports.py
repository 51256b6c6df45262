"""What the inputs and the output of a graph mean: found from its types, shapes and the options."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto
from pydantic import ValidationError

from mirage.bundle.errors import BundleError
from mirage.bundle.format.graph import check_values, infer_values, without_weights
from mirage.bundle.format.interface import CHANNELS, Image
from mirage.bundle.format.limits import DEFAULT_LIMITS, Limits
from mirage.bundle.format.manifest import MAX_CLASSES
from mirage.bundle.format.strict_json import describe_faults
from mirage.service.importing.errors import ChoiceError

FLOAT = TensorProto.FLOAT
NUMBERS: dict[int, str] = {TensorProto.INT64: "int64", TensorProto.INT32: "int32", FLOAT: "float32"}
MAX_BATCH = 64  # of a graph whose batch size is fixed
MAX_FIXED_ITEMS = 4096  # of an input that `--set` gives a value

Sizes = tuple[int | None, ...]
Layout = Literal["nchw", "nhwc"]


@dataclass(frozen=True)
class Choices:
    """What the options say. Names are of the graph's inputs and its output; None: the only one.

    value_range: the values of black and white, of images in float32. class_names: or their number
    is `classes`. fixed: values of further inputs, by name.
    """

    latents: str | None = None
    labels: str | None = None
    images: str | None = None
    value_range: tuple[float, float] | None = None
    layout: Layout | None = None
    classes: int | None = None
    class_names: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Port:
    """An input: its element type, and the sizes of its axes after the batch."""

    name: str
    elem_type: int
    axes: tuple[int, ...]


@dataclass(frozen=True)
class FixedPort:
    """An input that always has one value: its element type and whole shape."""

    name: str
    elem_type: int
    shape: tuple[int, ...]
    value: float


@dataclass(frozen=True)
class Inputs:
    """The inputs of a graph. batch: its fixed batch size, or None.

    Labels of a conditional graph are class indices, or one-hot where their `axes` hold the number
    of classes.
    """

    latents: Port
    labels: Port | None
    fixed: tuple[FixedPort, ...]
    class_names: tuple[str, ...]
    batch: int | None

    @property
    def latent_dim(self) -> int:
        """The length of a latent vector."""
        return self.latents.axes[0]

    @property
    def is_one_hot(self) -> bool:
        """Whether labels are one-hot."""
        return self.labels is not None and self.labels.axes not in ((), (1,))


@dataclass(frozen=True)
class ImagesPort:
    """The output. value_range: the values of black and white; None for uint8."""

    name: str
    image: Image
    channels_first: bool
    value_range: tuple[float, float] | None


def name_output(model: ModelProto, choices: Choices) -> str:
    """The name of the output that holds the images; raises ChoiceError."""
    return _choose("--images", choices.images, [each.name for each in model.graph.output])


def find_inputs(model: ModelProto, choices: Choices) -> Inputs:
    """Find the meaning of each input of a graph that has no inputs but those it needs.

    Raises ChoiceError if an option does not fit, and BundleError for other graphs.
    """
    values = {each.name: each for each in _free_inputs(model)}
    name = _latents_name(choices, list(values))
    latents, batch = _latents(values.pop(name))
    labels = _labels(choices, values)
    fixed = tuple(_fixed(choices, each, batch) for each in values.values())
    if unknown := choices.fixed.keys() - {each.name for each in fixed}:
        raise ChoiceError(f"--set names {_listed(unknown)}; the graph has {_listed(values)}")
    return Inputs(latents, labels, fixed, _class_names(choices, labels), batch)


def _free_inputs(model: ModelProto) -> Iterable[ValueInfoProto]:
    """Inputs without a constant as their default."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return (each for each in model.graph.input if each.name not in constants)


def _choose(option: str, given: str | None, names: list[str]) -> str:
    if given is None and len(names) == 1:
        return names[0]
    if given in names:
        return given
    said = "is not given" if given is None else f"is {given!r:.100}"
    raise ChoiceError(f"{option} {said}; the graph has {_listed(names)}")


def _latents_name(choices: Choices, names: list[str]) -> str:
    others = {choices.labels, *choices.fixed}
    candidates = [name for name in names if name not in others]
    return _choose("--latents", choices.latents, candidates if choices.latents is None else names)


def _listed(names: Iterable[str]) -> str:
    return f"{', '.join(sorted(names)) or 'none'!r:.300}"


def sizes_of(value: ValueInfoProto) -> Sizes:
    """The sizes of a value's axes; None for free ones."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def _type_of(value: ValueInfoProto) -> int:
    return value.type.tensor_type.elem_type


def describe_value(value: ValueInfoProto) -> str:
    """Format a value for messages: `z FLOAT [N, 128]`."""
    kind = _type_of(value)
    known = kind in TensorProto.DataType.values()
    sizes = ", ".join("?" if size is None else str(size) for size in sizes_of(value))
    return f"{value.name:.100} {TensorProto.DataType.Name(kind) if known else kind} [{sizes:.100}]"


def _latents(value: ValueInfoProto) -> tuple[Port, int | None]:
    batch, *axes = sizes_of(value) or (None,)
    sizes = [axis for axis in axes if axis is not None]
    if _type_of(value) != FLOAT or len(sizes) != len(axes) or not _is_vector(sizes):
        raise BundleError(
            "graph_interface",
            f"--latents is {describe_value(value)}; FLOAT [N, D] or [N, D, 1, 1] is allowed,"
            " D in 1 … 65536",
        )
    if batch is not None and not 1 <= batch <= MAX_BATCH:
        raise BundleError(
            "graph_interface",
            f"--latents is {describe_value(value)}; a first axis that is free or 1 … {MAX_BATCH}"
            " is allowed",
        )
    return Port(value.name, FLOAT, tuple(sizes)), batch


def _is_vector(axes: list[int]) -> bool:
    return len(axes) in (1, 3) and 1 <= axes[0] <= 65536 and set(axes[1:]) <= {1}


def _labels(choices: Choices, inputs: dict[str, ValueInfoProto]) -> Port | None:
    if choices.labels is None:
        if choices.classes is not None or choices.class_names:
            raise ChoiceError(f"--labels is not given; the graph has {_listed(inputs)} beside")
        return None
    value = inputs.pop(_choose("--labels", choices.labels, list(inputs)))
    _, *axes = sizes_of(value) or (None,)
    port = Port(value.name, _type_of(value), tuple(axis or 0 for axis in axes))
    indices = port.axes in ((), (1,)) and port.elem_type != FLOAT
    one_hot = len(port.axes) == 1 and 2 <= port.axes[0] <= MAX_CLASSES
    if port.elem_type not in NUMBERS or not sizes_of(value) or not (indices or one_hot):
        raise BundleError(
            "graph_interface",
            f"--labels is {describe_value(value)}; class indices INT64 or INT32 [N] or [N, 1], or"
            f" one-hot FLOAT, INT64 or INT32 [N, C] with C in 2 … {MAX_CLASSES} are allowed",
        )
    return port


def _class_names(choices: Choices, labels: Port | None) -> tuple[str, ...]:
    if labels is None:
        return ()
    told = len(choices.class_names) or choices.classes
    known = None if labels.axes in ((), (1,)) else labels.axes[0]
    if told is None and known is None:
        raise ChoiceError(
            f"--classes is not given; {labels.name!r:.100} holds indices, so the graph does not"
            " tell how many classes there are"
        )
    if None not in (told, known) and told != known:
        raise ChoiceError(f"--classes says {told}; {labels.name!r:.100} has {known}")
    count = known or told or 0
    if not 1 <= count <= MAX_CLASSES:
        raise ChoiceError(f"--classes is {count}; 1 … {MAX_CLASSES} are allowed")
    return choices.class_names or tuple(map(str, range(count)))


def _fixed(choices: Choices, value: ValueInfoProto, batch: int | None) -> FixedPort:
    if value.name not in choices.fixed:
        raise ChoiceError(
            f"input {describe_value(value)} has no meaning; name it with --labels, or give it a"
            f" value with --set {value.name:.100}=VALUE"
        )
    items, shape = 1, []
    for place, size in enumerate(sizes_of(value)):
        shape.append(1 if place == 0 and size in (None, batch) else size or 0)
        items *= shape[-1]
    if not 1 <= items <= MAX_FIXED_ITEMS or _type_of(value) not in NUMBERS:
        raise BundleError(
            "graph_interface",
            f"--set names {describe_value(value)}; FLOAT, INT64 or INT32 of 1 …"
            f" {MAX_FIXED_ITEMS} numbers is allowed",
        )
    return FixedPort(value.name, _type_of(value), tuple(shape), choices.fixed[value.name])


def check_sizes(model: ModelProto, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise BundleError if the graph is invalid, or if a value is too large for one image."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for value in _free_inputs(copy):
        for dim in value.type.tensor_type.shape.dim[:1]:
            if not dim.HasField("dim_value"):
                dim.dim_value = 1
    check_values(infer_values(without_weights(copy)), limits.value_elements)


def find_images(values: NDArray[Any], model: ModelProto, choices: Choices) -> ImagesPort:
    """Find the form of the images from what the graph made; raises like `find_inputs`."""
    name, shape = model.graph.output[0].name, values.shape
    found = f"--images is {name:.100} {values.dtype} {['N', *shape[1:]]!r:.100}"
    if len(shape) != 4 or values.dtype not in (np.float32, np.uint8):
        raise BundleError(
            "graph_interface", f"{found}; float32 or uint8 [N, C, H, W] or [N, H, W, C] is allowed"
        )
    if (choices.value_range is None) != (values.dtype == np.uint8):
        wanted = "no range" if values.dtype == np.uint8 else "BLACK:WHITE, such as -1:1,"
        given = choices.value_range or "not given"
        raise ChoiceError(f"--range is {given}; {found}, so {wanted} is allowed")
    first = _channels_first(found, shape, choices.layout)
    channels, *sides = shape[1:] if first else (shape[3], *shape[1:3])
    fields = {"height": sides[0], "width": sides[1], "channels": channels}
    try:
        image = Image.model_validate(fields)
    except ValidationError as error:
        raise BundleError("graph_interface", f"{found}; {describe_faults(error)}") from None
    return ImagesPort(name, image, first, choices.value_range)


def _channels_first(found: str, shape: Sequence[int], layout: Layout | None) -> bool:
    if layout is not None:
        return layout == "nchw"
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first == last:
        raise ChoiceError(
            f"{found}; channels are 1, 3 or 4, and"
            f" {'two axes' if first else 'no axis'} could be those: give --layout nchw or nhwc"
        )
    return first
