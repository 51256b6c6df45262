"""Loads the data set that --data names: decoded once, then memory-mapped from the cache."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mirage.training.data.cache import ArrayWriter, cached, check_room
from mirage.training.data.dataset import Dataset, fingerprint, mirror, subset
from mirage.training.data.groups import RULES, content_hash, group_names, groups_of_share
from mirage.training.data.labels import match_labels, number_classes, read_labels
from mirage.training.data.options import AUTO, NONE, DataOptions
from mirage.training.data.sources import image_folder
from mirage.training.data.sources.arrays import find_idx, open_idx, open_npy, open_npz
from mirage.training.data.sources.decode import check_broken, decode, find_form
from mirage.training.data.sources.huggingface import PREFIX, open_hub
from mirage.training.data.sources.image import Form, read_file
from mirage.training.data.sources.image_folder import SPLITS, Source, folders_of, open_folder
from mirage.training.data.sources.zip_archive import open_archive
from mirage.training.errors import DataError

SPLIT_FILES = (".zip", ".npy", ".npz")


def open_source(data: str, split: str, labels: str = AUTO) -> Source:
    """Open the pictures at a path or hf:NAME.

    split: "train" or "test"; data without splits return all pictures for both. Raises DataError if
    there is nothing to read.
    """
    if data.startswith(PREFIX):
        return open_hub(data, split, labels)
    path = Path(data)
    if path.is_dir():
        return _open_folder(path, split)
    if not path.exists():
        raise DataError(f"--data is {path}; there is no such file or folder")
    return _open_file(path, split)


def _open_folder(path: Path, split: str) -> Source:
    if part := _part(path, split):
        inner = open_folder(part) if part.is_dir() else _open_file(part, split)
        return replace(inner, prefix=f"{part.stem}/")
    if idx := find_idx(path, split) or find_idx(path, "train"):
        return open_idx(idx)
    return open_folder(path)


def _part(path: Path, split: str) -> Path | None:
    """The folder or file of a split, else that of train; None if there are no splits."""
    suffixes = [suffix for suffix in SPLIT_FILES if (path / f"train{suffix}").is_file()]
    if image_folder.has_splits(folders_of(path)):
        suffixes.insert(0, "")
    for suffix in suffixes[:1]:
        part = path / f"{split}{suffix}"
        return part if part.exists() else path / f"train{suffix}"
    return None


def _open_file(path: Path, split: str) -> Source:
    match path.suffix.lower():
        case ".zip":
            return open_archive(path, split)
        case ".npz":
            return open_npz(path, split)
        case ".npy":
            return open_npy(path)
        case _:
            return open_idx(path)


FORMAT = 2
"""Version of the decoding; increment it when the same data give other pixels or other labels."""
NOT_PIXELS = {"mirror", "max_broken", "groups", "held_out"}
"""Options that do not change the decoded pixels, and so are not part of the cache key."""
COPIED = 1024
"""Images copied per write."""


def load_dataset(
    data: str | Path,
    split: str = "train",
    options: DataOptions | None = None,
    cache: Path | None = None,
    workers: int | None = None,
) -> Dataset:
    """Decode the data set once and memory-map the result.

    data: a path, or hf:NAME. split: "train" or "test"; data without splits return the same for
    both. With `options.held_out`, "train" is the training data without the held-out groups, and
    "test" is these groups; without `options.groups`, only identical images form a group. cache:
    folder of decoded data; None uses `default_cache`. workers: decoding threads; None
    uses one per CPU. Only the split "train" is mirrored. Raises DataError if there is nothing to
    read or more than `max_broken` of the pictures are broken.
    """
    options = options or DataOptions()
    source = open_source(str(data), "train" if options.held_out else split, options.labels)
    labels = _labels_file(source, options)
    key = _key(source, options, labels)
    dataset = cached(
        key, options, cache, lambda folder: _build(folder, source, options, labels, workers)
    )
    check_broken(source.place, dataset.broken, len(dataset) + dataset.broken, options)
    dataset = _split(dataset, _groups(source, options, dataset.left_out), options, split)
    return mirror(dataset) if options.mirror and split == "train" else dataset


def load_splits(
    data: str | Path, options: DataOptions | None = None, cache: Path | None = None
) -> tuple[Dataset, Dataset]:
    """Load the splits "train" and "test" with the same options.

    Raises DataError if their classes or their image shapes differ.
    """
    train, test = (load_dataset(data, split, options, cache) for split in ("train", "test"))
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))
        raise DataError(f"only one of train and test in {data} has the class {odd[0]}")
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = train.images.shape[1:], test.images.shape[1:]
        raise DataError(
            f"in {data} train has images {shapes[0]} and test {shapes[1]} "
            "(height, width, channels); give both the same shape with --size and --channels"
        )
    return train, test


def _groups(source: Source, options: DataOptions, left_out: Sequence[str]) -> Sequence[str] | None:
    """The group of every readable picture, or None if the options name no groups."""
    if options.groups == NONE:
        return None
    if options.groups in RULES:
        groups: Sequence[str] = group_names(options.groups, source.names)
    else:
        name, content = options.groups, _read_file("groups", options.groups)
        groups = _matched(source, read_labels(name, content) or {}, name)
    out = set(left_out)
    return [group for name, group in zip(source.names, groups, strict=True) if name not in out]


def _split(
    dataset: Dataset, groups: Sequence[str] | None, options: DataOptions, split: str
) -> Dataset:
    """Attach the groups, and reduce a data set of which some is held out to one split."""
    if groups is not None:
        dataset = replace(dataset, groups=number_classes(groups)[0])
    if not options.held_out:
        return dataset
    names = [content_hash(image) for image in dataset.images] if groups is None else groups
    out = groups_of_share(names, options.held_out)
    if not out:
        raise DataError(f"--held-out is {options.held_out:g}; the data have only one group")
    selected = [index for index, name in enumerate(names) if (name in out) == (split == "test")]
    return subset(dataset, np.array(selected, np.int64))


def _labels_file(source: Source, options: DataOptions) -> tuple[str, bytes] | None:
    """Name and content of the labels file to use, or None."""
    if options.labels == AUTO:
        return source.labels_file
    if options.labels == NONE or source.place.startswith(PREFIX):
        return None
    return options.labels, _read_file("labels", options.labels)


def _read_file(flag: str, path: str) -> bytes:
    try:
        return read_file(Path(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"--{flag} is {path}: {reason}") from error


def _key(source: Source, options: DataOptions, labels: tuple[str, bytes] | None) -> str:
    """A cache key over everything that decides the pixels, their order and their classes."""
    place = source.place if source.place.startswith(PREFIX) else str(Path(source.place).resolve())
    read = options.model_dump(mode="json", exclude=NOT_PIXELS)
    parts = [FORMAT, place, source.prefix, source.state, read]
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(labels[1] if labels else b"")
    return digest.hexdigest()[:32]


def _build(
    folder: Path,
    source: Source,
    options: DataOptions,
    labels: tuple[str, bytes] | None,
    workers: int | None,
) -> None:
    """Write images.npy, labels.npy and dataset.json; cheap checks run before any decoding."""
    classes_of = _classes(source, options, labels)
    form = find_form(source, options)
    check_room(folder, len(source) * form.nbytes)
    with ArrayWriter(folder / "images.npy", form.shape) as writer:
        if (pixels := _ready_pixels(source, form)) is None:
            broken = decode(source, form, options, writer.append, workers)
        else:
            broken = []
            _copy(pixels, writer)
    kept = None if classes_of is None else _kept(source, classes_of, broken)
    numbers, classes = (None, []) if kept is None else number_classes(kept)
    if numbers is not None:
        np.save(folder / "labels.npy", numbers)
    images = np.load(folder / "images.npy", mmap_mode="r")
    summary: dict[str, Any] = {
        "classes": classes,
        "fingerprint": fingerprint(images, numbers, classes),
        "broken": [(source.names[index], reason) for index, reason in broken],
    }
    (folder / "dataset.json").write_text(json.dumps(summary, indent=2))


def _classes(
    source: Source, options: DataOptions, labels: tuple[str, bytes] | None
) -> Sequence[str] | None:
    """The class of every picture, including broken ones; None without classes."""
    if options.labels == NONE:
        return None
    if labels is None:
        return source.classes()
    named = read_labels(*labels)
    if named is None:
        return None
    if options.labels == AUTO:
        return match_labels(named, source.names, labels[0])
    return _matched(source, named, labels[0])


def _matched(source: Source, named: dict[str, str], file: str) -> list[str]:
    """What a labels file says about every picture; it may also name pictures of other splits."""
    others = tuple(f"{name}/" for name in SPLITS if source.prefix and f"{name}/" != source.prefix)
    here = {name: label for name, label in named.items() if not name.startswith(others)}
    return match_labels(here, [source.prefix + name for name in source.names], file)


def _kept(source: Source, classes: Sequence[str], broken: list[tuple[int, str]]) -> list[str]:
    """The classes of the readable pictures; raises DataError if a class has none."""
    left_out = {index for index, _ in broken}
    kept = [name for index, name in enumerate(classes) if index not in left_out]
    if lost := sorted(set(classes) - set(kept)):
        raise DataError(f"no image of the class {lost[0]} in {source.place} can be read")
    return kept


def _ready_pixels(source: Source, form: Form) -> np.ndarray | None:
    """The source's array if it needs no conversion; RGBA is always converted image by image."""
    pixels = source.pixels
    ready = pixels is not None and pixels.shape[1:] == form.shape and form.channels < 4
    return pixels if ready else None


def _copy(pixels: np.ndarray, writer: ArrayWriter) -> None:
    for start in range(0, len(pixels), COPIED):
        writer.append(pixels[start : start + COPIED])
