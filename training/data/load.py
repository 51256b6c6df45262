"""Loads the data set that --data names: decoded once, then memory-mapped from the cache."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mirage.training.data.cache import ArrayWriter, Summary, cached, check_room, hash_labels
from mirage.training.data.dataset import Dataset, fingerprint, mirror, subset, without_classes
from mirage.training.data.groups import RULES, content_hash, group_names, groups_of_share
from mirage.training.data.labels import (
    check_class_names,
    found_labels,
    match_labels,
    number_classes,
    odd_classes,
    read_labels,
)
from mirage.training.data.options import AUTO, NONE, DataOptions, check_options
from mirage.training.data.sources.decode import check_broken, decode, note_on, printable
from mirage.training.data.sources.form import find_form
from mirage.training.data.sources.huggingface import PREFIX
from mirage.training.data.sources.image import Form, read_file
from mirage.training.data.sources.kinds import open_source
from mirage.training.data.sources.source import Source, Written
from mirage.training.errors import DataError
from mirage.training.media.images import Images

FORMAT = 4
"""Version of the decoding; increment it when the same data give other pixels or labels."""
NOT_PIXELS = {"mirror", "max_broken", "groups", "held_out", "split"}
"""Options that do not change the decoded pixels, and so are not part of the cache key."""
NAMED = 3
"""Classes named in an error."""
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
    uses one per CPU. Only the split "train" is mirrored. A single class is no condition, so the
    data then have no classes. Raises DataError if there is nothing to read, too many of the
    pictures are broken, or all samples of a class would be held out.
    """
    dataset = _load(data, split, options or DataOptions(), cache, workers)
    return _conditional(dataset, split)


def _load(
    data: str | Path,
    split: str,
    options: DataOptions,
    cache: Path | None = None,
    workers: int | None = None,
) -> Dataset:
    """As `load_dataset`, before mirroring and with any number of classes."""
    part = "train" if options.held_out else split
    source = open_source(str(data), part, options.labels, options.split)
    labels = _labels_file(source, options)
    key = _key(source, options, labels)
    dataset = cached(
        key, options, cache, lambda folder: _build(folder, source, options, labels, workers)
    )
    count = len(dataset) + dataset.broken
    check_broken(source.place, dataset.broken, count, options.max_broken, noun=source.noun)
    dataset = replace(dataset, notes=source.notes + dataset.notes)
    return _split(dataset, _groups(source, options, dataset.left_out), options, split)


def _conditional(dataset: Dataset, split: str) -> Dataset:
    """A loaded split without its class if there is only one, and mirrored if it is to be."""
    if len(dataset.classes) == 1:
        dataset = without_classes(dataset)
    return mirror(dataset) if dataset.options.mirror and split == "train" else dataset


def load_splits(
    data: str | Path, options: DataOptions | None = None, cache: Path | None = None
) -> tuple[Dataset, Dataset]:
    """Load the splits "train" and "test" with the same options.

    Raises DataError if their classes or their image shapes differ.
    """
    options = options or DataOptions()
    train, test = (_load(data, split, options, cache) for split in ("train", "test"))
    if train.medium != test.medium:  # the training data decide
        own = options.model_copy(update=train.medium.as_options())
        test = replace(_load(data, "test", own, cache), options=options)
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))
        raise DataError(
            f"only one of train and test in {data} has the class {odd[0]}; give both the same "
            "classes, or pass --labels none"
        )
    if train.medium != test.medium:
        shapes = train.images.shape[1:], test.images.shape[1:]
        raise DataError(
            f"in {data} train has images {shapes[0]} and test {shapes[1]} "
            "(height, width, channels); give both the same shape with --size and --channels"
        )
    return _conditional(train, "train"), _conditional(test, "test")


def _groups(source: Source, options: DataOptions, left_out: Sequence[int]) -> Sequence[str] | None:
    """The group of every readable picture, or None if the options name no groups."""
    if options.groups == NONE:
        return None
    if options.groups in RULES:
        groups: Sequence[str] = group_names(options.groups, source.names)
    else:
        name, content = options.groups, _read_file("groups", options.groups)
        named = read_labels(name, content) or {}
        groups = match_labels(named, source.names, name, source.prefix, source.others, source.noun)
    out = set(left_out)
    return [group for index, group in enumerate(groups) if index not in out]


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
    held_out = np.array([name in out for name in names])
    _check_trained(dataset, held_out, options)
    return subset(dataset, np.flatnonzero(held_out == (split == "test")))


def _check_trained(dataset: Dataset, held_out: np.ndarray, options: DataOptions) -> None:
    """Raise DataError if all samples of a class are held out (bool [N])."""
    if dataset.labels is None:
        return
    left = np.bincount(dataset.labels[~held_out], minlength=len(dataset.classes))
    if lost := [name for name, count in zip(dataset.classes, left, strict=True) if not count]:
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise DataError(
            f"--held-out {options.held_out:g} with --groups {options.groups} leaves no "
            f"{dataset.medium.noun} of the class {', '.join(lost[:NAMED])}{more} to train on; "
            "name groups of which each class has several, or pass --labels none"
        )


def _labels_file(source: Source, options: DataOptions) -> tuple[str, bytes] | None:
    """Name and content of the labels file to use, or None."""
    if options.labels == AUTO:
        return source.labels_file
    if options.labels == NONE or source.is_table:
        return None
    return options.labels, _read_file("labels", options.labels)


def _read_file(flag: str, path: str) -> bytes:
    try:
        return read_file(Path(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"--{flag} is {path}: {reason}") from error


def _place(source: Source) -> str:
    """The absolute path of the data, or their address."""
    place = source.place
    return place if place.startswith(PREFIX) else printable(str(Path(place).resolve()))


def _reading(source: Source, options: DataOptions) -> str:
    """A hash of where the data are and how they are read, but not of their content."""
    read = options.model_dump(mode="json", exclude=NOT_PIXELS)
    parts = [FORMAT, _place(source), source.prefix, read]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _key(source: Source, options: DataOptions, labels: tuple[str, bytes] | None) -> str:
    """A cache key over everything that decides the pixels, their order and their classes."""
    parts = [_reading(source, options), source.state]
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(labels[1] if labels else b"")
    return digest.hexdigest()[:32]


def _build(
    folder: Path,
    source: Source,
    options: DataOptions,
    labels: tuple[str, bytes] | None,
    workers: int | None,
) -> Summary:
    """Write images.npy and labels.npy; cheap checks run before any decoding."""
    classes_of, note = _classes(source, options, labels)
    names = sorted(set(classes_of or ()))
    check_class_names(source.place, names)
    note += odd_classes(names, len(source), source.noun)
    write = source.write or _write_images
    written = write(source, folder / "images.npy", options, workers)
    broken, medium = written.broken, written.medium
    kept = None if classes_of is None else _kept(source, classes_of, broken)
    numbers, classes = (None, []) if kept is None else number_classes(kept)
    if numbers is not None:
        np.save(folder / "labels.npy", numbers)
    images = np.load(folder / "images.npy", mmap_mode="r")
    return Summary(
        source=_place(source),
        reading=_reading(source, options),
        images=len(images),
        labels=None if numbers is None else hash_labels(numbers),
        classes=tuple(classes),
        fingerprint=fingerprint(images, numbers, classes, medium.facts()),
        broken=tuple((printable(source.names[index]), reason) for index, reason in broken),
        left_out=tuple(index for index, _ in broken),
        notes=(*note, *written.notes, *note_on(source, broken)),
        medium=medium if medium.facts() else None,
    )


def _write_images(source: Source, file: Path, options: DataOptions, workers: int | None) -> Written:
    """Write images uint8 [N, H, W, C]; as `Writer`."""
    check_options(options, source.noun)
    form, notes = find_form(source, options)
    check_room(file.parent, len(source) * form.nbytes)
    with ArrayWriter(file, form.shape) as writer:
        if (pixels := _ready_pixels(source, form)) is None:
            broken = decode(source, form, options, writer.append, workers)
        else:
            broken = []
            _copy(pixels, writer)
    medium = Images(height=form.height, width=form.width, channels=form.channels)
    return Written(medium, broken, notes)


def _classes(
    source: Source, options: DataOptions, labels: tuple[str, bytes] | None
) -> tuple[Sequence[str] | None, tuple[str, ...]]:
    """The class of every picture, including broken ones, or None; and notes on it."""
    if options.labels == NONE:
        return None, ()
    if labels is None:
        return source.classes(), ()
    name, content = labels
    if options.labels == AUTO:
        named, note = found_labels(name, content)
        if named is None and note:
            return source.classes(), (note,)
    else:
        named, note = read_labels(name, content), ""
    if named is None:
        return None, ()
    matched = match_labels(named, source.names, name, source.prefix, source.others, source.noun)
    return matched, (note,) if note else ()


def _kept(source: Source, classes: Sequence[str], broken: list[tuple[int, str]]) -> list[str]:
    """The classes of the readable pictures; raises DataError if a class has none."""
    left_out = {index for index, _ in broken}
    kept = [name for index, name in enumerate(classes) if index not in left_out]
    if lost := sorted(set(classes) - set(kept)):
        raise DataError(
            f"no {source.noun[:-1]} of the class {lost[0]} in {source.place} can be read"
        )
    return kept


def _ready_pixels(source: Source, form: Form) -> np.ndarray | None:
    """The source's array if it needs no conversion; RGBA is always converted image by image."""
    pixels = source.pixels
    ready = pixels is not None and pixels.shape[1:] == form.shape and form.channels < 4
    return pixels if ready else None


def _copy(pixels: np.ndarray, writer: ArrayWriter) -> None:
    for start in range(0, len(pixels), COPIED):
        writer.append(pixels[start : start + COPIED])
