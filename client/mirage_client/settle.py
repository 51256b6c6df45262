"""Settles what determines a dataset: what is asked for, what was begun, what the server has."""

import secrets
from dataclasses import asdict, dataclass
from typing import Any

from mirage_client.answers import ModelDetail, ModelVersion
from mirage_client.client import Client
from mirage_client.errors import BadAnswer, DatasetError
from mirage_client.order import DRAWN_SEEDS
from mirage_client.record import Record

UNIFORM = "uniform"  # every class equally often, in turn


@dataclass(frozen=True)
class Wish:
    """What is asked for; None leaves it to what was begun, else to a default.

    `labels` are `uniform`, or class names or indices separated by commas, to take in turn.
    """

    model: str | None = None
    version: int | None = None
    seed: int | None = None
    labels: str | None = None
    truncation: float | None = None
    by_class: bool | None = None
    shard_size: int | None = None


def settle(client: Client, wish: Wish, begun: Record | None) -> Record:
    """The record of the dataset; whether it agrees with what was begun is not checked here.

    Raises DatasetError for what the server's models cannot do, and what the client raises.
    """
    detail = _detail(client, wish.model or (begun.model if begun else None))
    version = _version(client, detail, wish.version or (begun.version if begun else None))
    left_open = asdict(begun) if begun else _defaults(version.labels)
    wished = {name: value for name, value in asdict(wish).items() if value is not None}
    if wish.labels is not None:
        wished["labels"] = class_indices(wish.labels, version.labels)
    facts = {
        "model": detail.name,
        "version": version.version,
        "sha256": version.sha256,
        "runtime": detail.runtime,
        "classes": version.labels,
    }
    return Record(**(left_open | wished | facts))


def class_indices(text: str, classes: tuple[str, ...]) -> tuple[int, ...]:
    """The class indices of labels as text: names go first, then indices; raises DatasetError."""
    if text in classes:
        return (classes.index(text),)
    if text == UNIFORM:
        return tuple(range(len(classes)))
    if not classes:
        raise DatasetError(f"labels are {text!r:.100}; the model has no classes")
    return tuple(_class_index(part.strip(), classes) for part in text.split(","))


def _defaults(classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "seed": secrets.randbelow(DRAWN_SEEDS),
        "truncation": 1.0,
        "labels": class_indices(UNIFORM, classes),
        "by_class": False,
        "shard_size": None,
    }


def _detail(client: Client, name: str | None) -> ModelDetail:
    """The model of this name, else the default one, else the only released one."""
    if name is None:
        models = client.models()
        default = [model.name for model in models if model.default]
        released = [model.name for model in models if model.released is not None]
        names = default or released
        if len(names) != 1:
            shown = ", ".join(released) or "none"
            raise DatasetError(f"no model is named; the server has these released: {shown}")
        name = names[0]
    return client.model(name)


def _version(client: Client, detail: ModelDetail, number: int | None) -> ModelVersion:
    """The version of this number, else the released one; the server loads it if it must."""
    number = number or detail.released
    if number is None:
        raise DatasetError(f"no version of {detail.name} is released; name one")
    found = detail.version(number)
    if found is None:
        client.generate(1, model=detail.name, version=number)
        found = client.model(detail.name).version(number)
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
