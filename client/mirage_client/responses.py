"""Parses responses: images, problem details and models; responses may be malformed."""

import email.utils
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from mirage_client.errors import BadAnswer, Refused
from mirage_client.generate_call import GenerateCall
from mirage_client.image import GeneratedImage

IMAGES = "multipart/mixed"  # the only media type with both raw PNG bytes and labels
PROBLEM = "application/problem+json"
UNREADABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Model:
    """A model of the server; `released` is the default version."""

    name: str
    released: int | None
    versions: tuple[int, ...]
    default: bool


@dataclass(frozen=True)
class ModelVersion:
    """A version in the server's memory; `sha256` is the hash of its graph.

    `labels` are the class names in order; empty for a model without classes.
    """

    version: int
    sha256: str
    latent_dim: int
    labels: tuple[str, ...]
    height: int
    width: int
    channels: int


@dataclass(frozen=True)
class ModelDetail(Model):
    """A model with its versions in memory, and the software that its image bytes depend on."""

    runtime: dict[str, str]
    loaded: tuple[ModelVersion, ...]

    def version(self, number: int) -> ModelVersion | None:
        """A version in memory, or None."""
        return next((found for found in self.loaded if found.version == number), None)


def read_images(response: httpx.Response, call: GenerateCall) -> list[GeneratedImage]:
    """Parse the images of a call; raises BadAnswer unless they match it."""
    name, _, version = response.headers.get("x-model", "").rpartition("@")
    try:
        images = [
            GeneratedImage(
                png=png,
                seed=_optional_int(headers.get("x-seed")),
                index=int(headers["x-index"]),
                label=_optional_int(headers.get("x-label")),
                model=name,
                version=int(version),
            )
            for headers, png in _parts(response)
        ]
    except (KeyError, ValueError) as error:
        raise BadAnswer(f"the images cannot be read: {error!r}") from None
    _check_images(images, call)
    return images


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
    found = re.fullmatch(rf'{IMAGES}; *boundary="?([^";]+)"?', media_type, re.IGNORECASE)
    if not found:
        raise ValueError(f"Content-Type is {media_type!r:.100}, not {IMAGES} with a boundary")
    delimiter = b"\r\n--" + found[1].encode()
    preamble, *parts, end = (b"\r\n" + response.content).split(delimiter)
    if preamble or end.strip() != b"--":
        raise ValueError("the parts are truncated")
    for part in parts:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n"))
        yield {name.lower(): value for name, _, value in lines}, content


def _check_images(images: list[GeneratedImage], call: GenerateCall) -> None:
    expected = [(call.seed, call.index + number) for number in range(call.count)]
    if [(image.seed, image.index) for image in images] != expected:
        raise BadAnswer("the response has other images than requested")
    if not all(image.png.startswith(PNG_SIGNATURE) for image in images):
        raise BadAnswer("the response has images that are not PNG")


def _problem(response: httpx.Response) -> dict[str, Any]:
    if response.headers.get("content-type", "").lower().startswith(PROBLEM):
        try:
            found = response.json()
        except (RecursionError, ValueError):
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
    }


def _version(item: dict[str, Any]) -> ModelVersion:
    return ModelVersion(
        version=int(item["version"]),
        sha256=str(item["sha256"]),
        latent_dim=int(item["latent_dim"]),
        labels=tuple(map(str, _given(item["labels"], ()))),
        height=int(item["image"]["height"]),
        width=int(item["image"]["width"]),
        channels=int(item["image"]["channels"]),
    )


def _optional_int(text: str | None) -> int | None:
    return None if text is None else int(text)
