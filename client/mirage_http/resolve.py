"""Resolves the parameters of a dataset from options, an existing record and the server."""

import secrets
from dataclasses import asdict, dataclass
from typing import Any

from .errors import BadAnswer, DatasetError
from .generate_call import RANDOM_SEEDS
from .record import Record
from .responses import ModelDetail, ModelVersion
from .source import Source

UNIFORM = "uniform"  # all classes, cycled


@dataclass(frozen=True)
class DatasetOptions:
    """Requested parameters; None uses the existing dataset's value, else a default.

    `labels`: `uniform`, or class names or indices separated by commas, which are cycled.
    """

    model: str | None = None
    version: int | None = None
    seed: int | None = None
    labels: str | None = None
    truncation: float | None = None
    by_class: bool | None = None
    shard_size: int | None = None


def resolve(source: Source, wanted: DatasetOptions, existing: Record | None) -> Record:
    """Build the record of a dataset; does not check it against the existing one.

    Raises DatasetError if the server does not have the model, version or classes, and the errors of
    the source.
    """
    detail = _detail(source, wanted.model or (existing.model if existing else None))
    version = _version(source, detail, wanted.version or (existing.version if existing else None))
    defaults = asdict(existing) if existing else _defaults(version.labels)
    given = {name: value for name, value in asdict(wanted).items() if value is not None}
    if wanted.labels is not None:
        given["labels"] = class_indices(wanted.labels, version.labels)
    server = {
        "model": detail.name,
        "version": version.version,
        "sha256": version.sha256,
        "runtime": detail.runtime,
        "classes": version.labels,
        "suffix": version.suffix,
    }
    return Record(**(defaults | given | server))


def class_indices(text: str, classes: tuple[str, ...]) -> tuple[int, ...]:
    """Parse labels to class indices; names take precedence over indices. Raises DatasetError."""
    if text in classes:
        return (classes.index(text),)
    if text == UNIFORM:
        return tuple(range(len(classes)))
    if not classes:
        raise DatasetError(f"labels are {text!r:.100}; the model has no classes")
    return tuple(_class_index(part.strip(), classes) for part in text.split(","))


def _defaults(classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "seed": secrets.randbelow(RANDOM_SEEDS),
        "truncation": 1.0,
        "labels": class_indices(UNIFORM, classes),
        "by_class": False,
        "shard_size": None,
    }


def _detail(source: Source, name: str | None) -> ModelDetail:
    """The named model, else the default model, else the only released one."""
    if name is None:
        models = [model for model in source.models() if model.task in (None, "generate")]
        default = [model.name for model in models if model.default]
        released = [model.name for model in models if model.released is not None]
        names = default or released
        if len(names) != 1:
            shown = ", ".join(released) or "none"
            raise DatasetError(f"name a model; the server has released: {shown}")
        name = names[0]
    detail = source.model(name)
    if detail.task not in (None, "generate"):
        raise DatasetError(f"{name} is of task {detail.task}; only models of generate make images")
    return detail


def _version(source: Source, detail: ModelDetail, number: int | None) -> ModelVersion:
    """The numbered version, else the released one; requests an image to load it if necessary."""
    number = number or detail.released
    if number is None:
        raise DatasetError(f"no version of {detail.name} is released; name one")
    found = detail.version(number)
    if found is None:
        next(source.stream_files(1, model=detail.name, version=number))
        found = source.model(detail.name).version(number)
    if found is None:
        raise BadAnswer(f"the server does not describe {detail.name}@{number}")
    return found


def _class_index(text: str, classes: tuple[str, ...]) -> int:
    if text in classes:
        return classes.index(text)
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < len(classes):
        return int(text)
    names = ", ".join(classes[:20]) + ", …" * (len(classes) > 20)
    raise DatasetError(
        f"label is {text!r:.100}; class indices 0 … {len(classes) - 1} are allowed,"
        f" and class names: {names:.1000}"
    )
