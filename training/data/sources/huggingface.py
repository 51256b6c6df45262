"""Hugging Face data sets from the Hub or a folder, read with the optional package `datasets`."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from mirage.training.data.options import AUTO, NONE
from mirage.training.data.sources.image import open_picture, read_file
from mirage.training.data.sources.source import Source, state_of
from mirage.training.errors import DataError, UsageError
from mirage.training.extras import how_to_install

PREFIX = "hf:"
PARQUET = ".parquet"
SAVED = ("state.json", "dataset_dict.json")
"""Files that mark a folder written by `save_to_disk`."""


@dataclass(frozen=True)
class Address:
    """A parsed hf:NAME[:CONFIG][@SPLIT]; NAME is on the Hub, or a folder starting with ./ or /."""

    name: str
    config: str | None
    split: str | None


def is_table(data: str) -> bool:
    """Whether --data is a table, whose classes --labels names by their column."""
    return data.startswith(PREFIX) or data.lower().endswith(PARQUET)


def read_address(text: str) -> Address:
    """Parse an address; raises UsageError if it has no name."""
    rest, _, split = text.removeprefix(PREFIX).partition("@")
    name, _, config = rest.partition(":")
    if not name:
        raise UsageError(f"--data is {text}; expected hf:NAME[:CONFIG][@SPLIT]")
    return Address(name, config or None, split or None)


def open_hub(text: str, split: str, labels: str) -> Source:
    """Open the pictures of a split, or of the training split if there is no such split.

    Reads the first column of images. labels: the column of classes; "auto" uses the column `label`,
    else the only column of classes. @SPLIT in the address names the training split. Raises
    DataError naming what is missing, including the package.
    """
    address = read_address(text)
    splits = _load(address)
    name = _split_of(address, list(splits), split)
    return _source(f"{text.partition('@')[0]}@{name}", splits[name], labels)


def open_parquet(paths: Sequence[Path], labels: str) -> Source:
    """Open a column of encoded images in the .parquet files of one data set.

    labels: as `open_hub`.
    """
    place = paths[0] if len(paths) == 1 else paths[0].parent
    try:
        table = _package().Dataset.from_parquet([str(path) for path in paths])
    except DataError:
        raise
    except Exception as error:  # pyarrow and `datasets` raise many types
        raise DataError(f"{place} cannot be read as Parquet: {error}") from error
    state = [(str(path), state_of(path)) for path in paths]
    return replace(_source(str(place), table, labels), state=state)


def _source(place: str, table: Any, labels: str) -> Source:
    images = _image_column(place, table)
    column = _label_column(place, table, labels)
    table = table.cast_column(images, _package().Image(decode=False))

    def picture(index: int) -> Image.Image:
        stored = table[index][images]
        return open_picture(stored["bytes"] or read_file(Path(stored["path"])))

    if not len(table):
        raise DataError(f"{place} has no images")
    return Source(
        place=place,
        state=(table._fingerprint, column),
        names=[str(number) for number in range(len(table))],
        picture=picture,
        classes=lambda: None if column is None else _classes(place, table, column),
        is_table=True,
    )


def _package() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise DataError(
            "Hugging Face data sets and .parquet files need the package `datasets`; "
            + how_to_install("hf")
        ) from error


def _load(address: Address) -> Any:
    """Load all splits by name; raises DataError for any error of the package."""
    datasets = _package()
    try:
        if any((Path(address.name) / name).exists() for name in SAVED):
            stored = datasets.load_from_disk(address.name)
            return stored if isinstance(stored, dict) else {"train": stored}
        return datasets.load_dataset(address.name, address.config)
    except Exception as error:
        raise DataError(f"hf:{address.name} cannot be loaded: {error}") from error


def _split_of(address: Address, splits: Sequence[str], split: str) -> str:
    """The split to read; falls back to the training split."""
    train = address.split or "train"
    if train not in splits:
        raise DataError(f"hf:{address.name} has no split {train}; it has {', '.join(splits)}")
    return split if split != "train" and split in splits else train


def _image_column(text: str, table: Any) -> str:
    found = [
        name
        for name, feature in table.features.items()
        if type(feature).__name__ == "Image" or _is_encoded(feature)
    ]
    if not found:
        raise DataError(f"{text} has no column of images; it has {', '.join(table.features)}")
    return found[0]


def _is_encoded(feature: Any) -> bool:
    """Whether a column has bytes, or the bytes and paths of files, as image columns are stored."""
    if isinstance(feature, dict):
        return set(feature) == {"bytes", "path"}
    return getattr(feature, "dtype", "") in ("binary", "large_binary")


def _label_column(text: str, table: Any, labels: str) -> str | None:
    if labels == NONE:
        return None
    if labels != AUTO:
        if labels not in table.features:
            columns = ", ".join(table.features)
            raise DataError(f"--labels is {labels}; {text} has the columns {columns}")
        return labels
    classes = [name for name, feature in table.features.items() if hasattr(feature, "int2str")]
    if "label" in table.features or not classes:
        return "label" if "label" in table.features else None
    if len(classes) > 1:
        raise DataError(f"{text} has several columns of classes; pass --labels {'|'.join(classes)}")
    return classes[0]


def _classes(place: str, table: Any, column: str) -> list[str]:
    feature, values = table.features[column], table[column]
    if not hasattr(feature, "int2str"):
        return [str(value) for value in values]
    names = feature.names
    if bad := [value for value in values if value is None or not 0 <= value < len(names)]:
        raise DataError(f"{place} has the label {bad[0]} in {column}; pass --labels none")
    return [names[value] for value in values]
