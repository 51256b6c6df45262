"""Parses responses: images, problem details and models; responses may be malformed."""

import email.utils
import io
import math
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from .errors import BadAnswer, Refused
from .generate_call import GenerateCall
from .image import Interpolated, InterpolatedFrame, Upscaled
from .interpolate_call import InterpolateCall
from .item import PNG, GeneratedFile, check_start, suffix_of

T = TypeVar("T")

PARTS = "multipart/mixed"  # the only media type with both raw bytes and labels
PROBLEM = "application/problem+json"
UNREADABLE = (  # raised by converting JSON or headers of any other form
    AttributeError,
    LookupError,
    OverflowError,  # int(1e400)
    RecursionError,
    TypeError,
    ValueError,
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"  # the last chunk


@dataclass(frozen=True)
class Model:
    """A model of the server; `released` is the default version.

    `task` is `generate` or `upscale`, and `scale` how many times an upscaler enlarges pictures.
    Both are None if no version is in the server's memory.
    """

    name: str
    released: int | None
    versions: tuple[int, ...]
    default: bool
    task: str | None = field(default=None, kw_only=True)
    scale: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class ModelVersion:
    """A version in the server's memory; `sha256` is the hash of its graph.

    `labels` are the class names in order; empty for a model without classes. `height` and `width`
    are those of its images in pixels; they and `channels` are None for a model that enlarges
    pictures, and for one of sounds or sequences. `suffix` is that of its files.
    """

    version: int
    sha256: str
    latent_dim: int
    labels: tuple[str, ...]
    height: int | None
    width: int | None
    channels: int | None
    suffix: str = ".png"


@dataclass(frozen=True)
class ModelDetail(Model):
    """A model with its versions in memory, and the software that its image bytes depend on."""

    runtime: dict[str, str]
    loaded: tuple[ModelVersion, ...]

    def version(self, number: int) -> ModelVersion | None:
        """A version in memory, or None."""
        return next((found for found in self.loaded if found.version == number), None)


def read_files(response: httpx.Response, call: GenerateCall) -> list[GeneratedFile]:
    """Parse the files of a call; raises BadAnswer unless they match it."""
    try:
        name, version = _model(response)
        files = [
            GeneratedFile(
                data=data,
                media_type=headers.get("content-type", PNG),
                seed=_optional(int, headers.get("x-seed")),
                index=int(headers["x-index"]),
                label=_optional(int, headers.get("x-label")),
                model=name,
                version=version,
                upscale=response.headers.get("x-upscale"),
            )
            for headers, data in _parts(response)
        ]
    except UNREADABLE as error:
        raise BadAnswer(f"the images cannot be read: {error!r}") from None
    _check_files(files, call)
    return files


def read_upscaled(response: httpx.Response) -> Upscaled:
    """Parse how a picture was enlarged; raises BadAnswer."""
    try:
        name, version = _model(response)
        return Upscaled(name, version, float(response.headers["x-scale"]))
    except UNREADABLE as error:
        raise BadAnswer(f"the headers of the enlarged picture cannot be read: {error!r}") from None


def read_inverted(response: httpx.Response) -> dict[str, Any]:
    """Parse the latents of a picture as a JSON object; raises BadAnswer."""
    try:
        found = response.json()
        row = [_finite(value) for value in found["latents"][0]]
        return {
            "model": str(found["model"]),
            "version": int(found["version"]),
            "latents": [row],
            "label": _optional(int, found["label"]),
            "error": _finite(found["error"]),
            "typical_error": _finite(found["typical_error"]),
        }
    except UNREADABLE as error:
        raise BadAnswer(f"the latents of the picture cannot be read: {error!r}") from None


def read_interpolated(response: httpx.Response, call: InterpolateCall) -> Interpolated:
    """Parse what made frames; raises BadAnswer."""
    media_type = response.headers.get("content-type", "").partition(";")[0]
    if media_type != call.media_type:
        raise BadAnswer(f"Content-Type is {media_type!r:.100}, not {call.media_type}")
    try:
        made = Interpolated(*_model(response), response.headers.get("x-upscale"))
    except UNREADABLE as error:
        raise BadAnswer(f"the headers of the frames cannot be read: {error!r}") from None
    if (made.upscale and made.upscale.partition("@")[0]) != call.upscale:
        raise BadAnswer(f"the frames were enlarged by {made.upscale}")
    return made


def read_frames(response: httpx.Response, call: InterpolateCall) -> list[InterpolatedFrame]:
    """Parse a ZIP of frames; raises BadAnswer."""
    made = read_interpolated(response, call)
    try:
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            frames = [archive.read(name) for name in archive.namelist()]
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise BadAnswer(f"the frames cannot be read: {error!r}") from None
    if not all(png.startswith(PNG_SIGNATURE) for png in frames):
        raise BadAnswer("the response has frames that are not PNG")
    return [InterpolatedFrame(png=png, **vars(made)) for png in frames]


def check_png(start: bytes, end: bytes) -> None:
    """Raise BadAnswer unless a file that starts and ends with these bytes is a whole PNG."""
    if not start.startswith(PNG_SIGNATURE):
        raise BadAnswer("the enlarged picture is not PNG")
    if not end.endswith(PNG_END):
        raise BadAnswer("the enlarged picture is truncated")


def read_problem(response: httpx.Response) -> Refused:
    """Parse an error response; a proxy may have sent something else than problem details.

    `Retry-After` may be seconds or a date.
    """
    problem = _problem(response)
    errors = problem.get("errors")
    return Refused(
        response.status_code,
        _text(problem, "type", "about:blank"),
        _text(problem, "title", response.reason_phrase),
        _text(problem, "detail", ""),
        errors=[error for error in errors if isinstance(error, dict)]
        if isinstance(errors, list)
        else [],
        retry_after_s=_seconds(response.headers.get("retry-after")),
    )


def read_models(response: httpx.Response) -> list[Model]:
    """Parse the list of models; raises BadAnswer."""
    try:
        return [Model(**_summary(item)) for item in response.json()["models"]]
    except UNREADABLE as error:
        raise BadAnswer(f"the list of models cannot be read: {error!r}") from None


def read_model(response: httpx.Response) -> ModelDetail:
    """Parse the description of a model; raises BadAnswer."""
    try:
        found = response.json()
        runtime = {str(name): str(value) for name, value in _given(found["runtime"], {}).items()}
        loaded = tuple(map(_version, _given(found["loaded"], ())))
        return ModelDetail(**_summary(found), runtime=runtime, loaded=loaded)
    except UNREADABLE as error:
        raise BadAnswer(f"the model cannot be read: {error!r}") from None


def _parts(response: httpx.Response) -> Iterator[tuple[dict[str, str], bytes]]:
    """Yield the headers, by lower-case name, and the content of each part; raises ValueError."""
    media_type = response.headers.get("content-type", "")
    found = re.fullmatch(rf'{PARTS}; *boundary="?([^";]+)"?', media_type, re.IGNORECASE)
    if not found:
        raise ValueError(f"Content-Type is {media_type!r:.100}, not {PARTS} with a boundary")
    delimiter = b"\r\n--" + found[1].encode()
    preamble, *parts, end = (b"\r\n" + response.content).split(delimiter)
    if preamble or end.strip() != b"--":
        raise ValueError("the parts are truncated")
    for part in parts:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n"))
        yield {name.lower(): value for name, _, value in lines}, content


def _check_files(images: list[GeneratedFile], call: GenerateCall) -> None:
    expected = [(call.seed, call.index + number) for number in range(call.count)]
    if [(image.seed, image.index) for image in images] != expected:
        raise BadAnswer("the response has other images than requested")
    for image in images:
        try:
            check_start(image.data, image.media_type)
        except ValueError as error:
            raise BadAnswer(f"the response has a file that cannot be read: {error}") from None
    enlarged_by = {image.upscale and image.upscale.partition("@")[0] for image in images}
    if enlarged_by != {call.upscale and call.upscale.partition("@")[0]}:
        raise BadAnswer(f"the images were enlarged by {min(map(str, enlarged_by))}")


def _problem(response: httpx.Response) -> dict[str, Any]:
    if response.headers.get("content-type", "").lower().startswith(PROBLEM):
        try:
            found = response.json()
        except UNREADABLE:
            found = None
        if isinstance(found, dict):
            return found
    return {}


def _text(problem: dict[str, Any], name: str, default: str) -> str:
    """A string member; proxies may have replaced it with another type."""
    value = problem.get(name)
    return value if isinstance(value, str) else default


def _seconds(retry_after: str | None) -> float | None:
    """Parse Retry-After to seconds from now, at least 0; None if it is missing or invalid."""
    text = (retry_after or "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (OverflowError, TypeError, ValueError):
        return None


def _given(value: Any, default: Any) -> Any:
    """The value, or the default if it is null."""
    return default if value is None else value


def _summary(item: dict[str, Any]) -> dict[str, Any]:
    """The fields that a list and a description share; unknown fields are ignored."""
    return {
        "name": str(item["name"]),
        "released": None if item["released"] is None else int(item["released"]),
        "versions": tuple(map(int, _given(item["versions"], ()))),
        "default": bool(item["default"]),
        "task": _optional(str, item.get("task")),
        "scale": _optional(int, item.get("scale")),
    }


def _version(item: dict[str, Any]) -> ModelVersion:
    image = item.get("image")
    sides = ("height", "width", "channels")
    return ModelVersion(
        version=int(item["version"]),
        sha256=str(item["sha256"]),
        latent_dim=int(item["latent_dim"]),
        labels=tuple(map(str, _given(item["labels"], ()))),
        **{side: None if image is None else int(image[side]) for side in sides},
        suffix=suffix_of(item.get("output")),
    )


def _model(response: httpx.Response) -> tuple[str, int]:
    """Name and version of the model that answered; raises ValueError."""
    name, _, version = response.headers.get("x-model", "").rpartition("@")
    return name, int(version)


def _finite(value: Any) -> float:
    """A number; raises ValueError if it is infinite or NaN, as Python's JSON allows."""
    if not math.isfinite(number := float(value)):
        raise ValueError(f"{number} is no finite number")
    return number


def _optional(convert: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else convert(value)
