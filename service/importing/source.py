"""Reading an ONNX file from elsewhere: bounded, and with its external data merged into it."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path, PurePath

import onnx
from onnx import ModelProto, TensorProto

from mirage.bundle.errors import BundleError
from mirage.bundle.format.folder import Folder, open_folder
from mirage.bundle.format.graph import CONSTANT_TYPES, check_constants, check_halves, constants_of
from mirage.bundle.format.limits import DEFAULT_LIMITS, Limits
from mirage.bundle.format.wire import check_wire

EXTERNAL = {"TensorProto.external_data"}


@dataclass(frozen=True)
class Source:
    """A parsed file. `hashes` are the sha256 of the file and of its external data, by name."""

    name: str
    model: ModelProto
    hashes: dict[str, str]

    @property
    def sha256(self) -> str:
        """The hash of the file itself."""
        return self.hashes[self.name]


def read_source(path: Path, limits: Limits = DEFAULT_LIMITS) -> Source:
    """Read an ONNX file of at most `limits.model_bytes`, external data included.

    External data are plain files in the folder of `path`. Raises BundleError `file_…` or `graph_…`.
    """
    raw = _read(path, limits.model_bytes)
    check_wire(raw, limits.graph_fields, EXTERNAL)
    try:
        model = onnx.load_model_from_string(raw)
    except Exception as error:  # the error class belongs to protobuf, a dependency of onnx
        raise BundleError("graph_unreadable", f"{path} is no ONNX: {error}") from None
    hashes = {path.name: hashlib.sha256(raw).hexdigest()}
    with open_folder(path.parent.resolve()) as folder:
        data = _ExternalData(folder, limits.model_bytes)
        data.merge(model, len(raw))
    check_constants(constants_of(model.graph))
    check_halves(model.graph)
    return Source(path.name, model, hashes | data.hashes)


def _read(path: Path, limit_bytes: int) -> bytes:
    if not path.is_file():
        raise BundleError("not_found", f"{path} is no file")
    with path.open("rb") as file:
        raw = file.read(limit_bytes + 1)
    if len(raw) > limit_bytes:
        raise BundleError(
            "file_too_large",
            f"{path} has {path.stat().st_size} bytes; at most {limit_bytes} are read",
        )
    return raw


class _ExternalData:
    """The files beside a model that hold its constants. Each is read once."""

    def __init__(self, folder: Folder, limit_bytes: int) -> None:
        self.hashes: dict[str, str] = {}
        self._folder, self._limit_bytes = folder, limit_bytes
        self._files: dict[str, bytes] = {}

    def merge(self, model: ModelProto, model_bytes: int) -> None:
        """Move external data into the model."""
        for tensor in constants_of(model.graph):
            if tensor.data_location != TensorProto.EXTERNAL:
                continue
            data = self._data_of(tensor)
            model_bytes += len(data)
            if model_bytes > self._limit_bytes:
                raise BundleError(
                    "file_too_large",
                    f"the model has over {self._limit_bytes} bytes with its external data",
                )
            tensor.raw_data = data
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]

    def _data_of(self, tensor: TensorProto) -> bytes:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        named = location and location.isprintable() and PurePath(location).name == location
        if not named:
            raise _fault(tensor, f"location {location!r:.100}; a name in the model's folder")
        offset, length = (_number(tensor, entries, key) for key in ("offset", "length"))
        wanted = math.prod(tensor.dims) * CONSTANT_TYPES.get(tensor.data_type, (0, ""))[0]
        if length not in (0, wanted):
            raise _fault(tensor, f"length {length}; {wanted}, as its shape says,")
        data = self._file(location)[offset : offset + wanted]
        if len(data) != wanted:
            raise _fault(tensor, f"{len(data)} bytes at {offset} of {location!r}; {wanted}")
        return data

    def _file(self, name: str) -> bytes:
        if name not in self._files:
            room = self._limit_bytes - sum(map(len, self._files.values()))
            self._files[name] = contents = self._folder.read(name, room)
            self.hashes[name] = hashlib.sha256(contents).hexdigest()
        return self._files[name]


def _number(tensor: TensorProto, entries: dict[str, str], key: str) -> int:
    text = entries.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _fault(tensor, f"{key} {text!r:.100}; a number of bytes")
    return int(text)


def _fault(tensor: TensorProto, fact: str) -> BundleError:
    return BundleError(
        "graph_constant", f"external data of constant {tensor.name!r:.100} have {fact} is allowed"
    )
