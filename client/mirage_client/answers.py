"""Reads what a server answers: images, problems, models; trusts none of it to be well-formed."""

import email.utils
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from mirage_client.errors import BadAnswer, Refused
from mirage_client.image import GeneratedImage
from mirage_client.order import Order

IMAGES = "multipart/mixed"  # the only type with PNG bytes as they are, and each image's label
PROBLEM = "application/problem+json"
UNREADABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Model:
    """A model of the server; `released` is the version that answers when none is named."""

    name: str
    released: int | None
    versions: tuple[int, ...]
    default: bool


@dataclass(frozen=True)
class ModelVersion:
    """A version that the server holds in memory; `sha256` is the hash of its graph.

    `labels` are the class names in order, none for a model without classes.
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
    """A model, its versions in memory, and what the bytes of its images depend on besides."""

    runtime: dict[str, str]
    loaded: tuple[ModelVersion, ...]

    def version(self, number: int) -> ModelVersion | None:
        """A version in memory, None when it is not there."""
        return next((found for found in self.loaded if found.version == number), None)


def read_images(response: httpx.Response, order: Order) -> list[GeneratedImage]:
    """The images of an order; raises BadAnswer unless they are what was asked for."""
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
    _check_images(images, order)
    return images


def read_refusal(response: httpx.Response) -> Refused:
    """The problem of an error answer; whoever stands before the server may answer something else.

    `Retry-After` counts whether it is seconds or a date.
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
    """All models; raises BadAnswer."""
    try:
        return [Model(**_summary(item)) for item in response.json()["models"]]
    except UNREADABLE as error:
        raise BadAnswer(f"the list of models cannot be read: {error!r}") from None


def read_model(response: httpx.Response) -> ModelDetail:
    """One model; raises BadAnswer."""
    try:
        found = response.json()
        runtime = {str(name): str(value) for name, value in _given(found["runtime"], {}).items()}
        loaded = tuple(map(_version, _given(found["loaded"], ())))
        return ModelDetail(**_summary(found), runtime=runtime, loaded=loaded)
    except UNREADABLE as error:
        raise BadAnswer(f"the model cannot be read: {error!r}") from None


def _parts(response: httpx.Response) -> Iterator[tuple[dict[str, str], bytes]]:
    """Header lines by lower-case name, and content, of each part; raises ValueError."""
    media_type = response.headers.get("content-type", "")
    found = re.fullmatch(rf'{IMAGES}; *boundary="?([^";]+)"?', media_type, re.IGNORECASE)
    if not found:
        raise ValueError(f"Content-Type is {media_type!r:.100}, not {IMAGES} with a boundary")
    delimiter = b"\r\n--" + found[1].encode()
    preamble, *parts, end = (b"\r\n" + response.content).split(delimiter)
    if preamble or end.strip() != b"--":
        raise ValueError("the parts are cut short")
    for part in parts:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n"))
        yield {name.lower(): value for name, _, value in lines}, content


def _check_images(images: list[GeneratedImage], order: Order) -> None:
    asked = [(order.seed, order.index + number) for number in range(order.count)]
    if [(image.seed, image.index) for image in images] != asked:
        raise BadAnswer("the answer holds other images than those asked for")
    if not all(image.png.startswith(PNG_SIGNATURE) for image in images):
        raise BadAnswer("the answer holds images that are no PNG files")


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
    """A member that is text; whoever passes a problem on may have made it something else."""
    value = problem.get(name)
    return value if isinstance(value, str) else default


def _seconds(retry_after: str | None) -> float | None:
    """Seconds from now, never below 0; None for a header that says nothing of use."""
    text = (retry_after or "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (OverflowError, TypeError, ValueError):
        return None


def _given(value: Any, default: Any) -> Any:
    """A member, or the default where it is null."""
    return default if value is None else value


def _summary(item: dict[str, Any]) -> dict[str, Any]:
    """What a list and a description have in common, with other fields left out."""
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
