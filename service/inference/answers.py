"""Packs images as the protocol's answer: a JSON object, and the pixels in it or behind it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from mirage.bundle.format.manifest import Manifest
from mirage.service.bodies import JSON, OCTETS
from mirage.service.inference.compression import compress
from mirage.service.inference.tensors import IMAGES

END = b"]}]}"  # of the JSON, behind the pixels
HEADER_LENGTH = "Inference-Header-Content-Length"
# "  0," … "255,": one table look-up a pixel is far quicker than a list of numbers, and far smaller.
DECIMALS = np.frombuffer(b"".join(b"%3d," % value for value in range(256)), np.uint32)


@dataclass(frozen=True)
class Form:
    """How the answer is to look: `encoding` compresses it, None does not."""

    request_id: str | None
    binary: bool
    encoding: str | None


@dataclass(frozen=True)
class Packed:
    """A body and the headers that describe it."""

    body: bytes
    headers: dict[str, str]


def pack(images: NDArray[np.uint8], manifest: Manifest, form: Form) -> Packed:
    """Pack uint8 images `[n, H, W, C]`."""
    packed = _binary(images, manifest, form) if form.binary else _json(images, manifest, form)
    if form.encoding is None:
        return packed
    encoded = {"Content-Encoding": form.encoding}
    return Packed(compress(packed.body, form.encoding), packed.headers | encoded)


def _binary(images: NDArray[np.uint8], manifest: Manifest, form: Form) -> Packed:
    detail = {"parameters": {"binary_data_size": images.nbytes}}
    header = _answer(images, manifest, form, detail)
    headers = {"Content-Type": OCTETS, HEADER_LENGTH: str(len(header))}
    return Packed(b"".join((header, np.ascontiguousarray(images).data)), headers)


def _json(images: NDArray[np.uint8], manifest: Manifest, form: Form) -> Packed:
    frame = _answer(images, manifest, form, {"data": []})
    # Image by image, for the look-up needs eight bytes a pixel.
    decimals = [DECIMALS[pixels.ravel()].data.cast("B") for pixels in images]
    decimals[-1] = decimals[-1][:-1]
    body = b"".join((frame.removesuffix(END), *decimals, END))
    return Packed(body, {"Content-Type": JSON})


def _answer(
    images: NDArray[np.uint8], manifest: Manifest, form: Form, detail: Mapping[str, object]
) -> bytes:
    """The JSON object; `detail` ends it."""
    output = {"name": IMAGES, "datatype": "UINT8", "shape": list(images.shape), **detail}
    answer: dict[str, object] = {
        "model_name": manifest.name,
        "model_version": str(manifest.version),
    }
    if form.request_id is not None:
        answer["id"] = form.request_id
    return to_json({**answer, "outputs": [output]})
