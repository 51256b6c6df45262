"""The files of a folder or an archive, and the pictures among them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from PIL import Image

from mirage.training.data.options import AUTO
from mirage.training.data.sources.image import SUFFIXES, open_picture
from mirage.training.data.sources.layout import Layout, ancestors, classes_of, find_layout, in_order
from mirage.training.data.sources.masks import note_masks
from mirage.training.data.sources.source import Source
from mirage.training.errors import DataError

NOT_FILES = frozenset({"__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini"})
"""What macOS, Synology and Windows add to folders, including small copies of pictures."""
LABELS_FILES = ("dataset.json", "metadata.csv", "metadata.jsonl")
"""Labels files that define the classes instead of folders: of StyleGAN and of Hugging Face."""
CLASS_SUFFIX = ".cls"
"""Of WebDataset's files with the class of the picture of the same name."""
HEADER_BYTES = 64 << 10
"""Read of a file to find the size and mode of its picture; if that fails, the whole file is."""
TABLES = {".csv", ".json", ".jsonl"}
NAMED_SUFFIXES = TABLES | {".tsv", ".parquet", ".zip", ".tar", ".npy", ".npz"}
"""Files that may hold data, and so are listed by name when they are passed over."""
NAMED = 3
"""Files listed by name."""


@dataclass(frozen=True)
class FileTree:
    """The visible files of a folder or an archive.

    place: its path, for messages. names: of the files, with forward slashes. folders: paths of all
    folders, including empty ones. read: returns the first bytes of a file, or all of it for None;
    raises OSError or ValueError if it is larger than `MAX_FILE_BYTES`. state: JSON values that
    change whenever the content of these files may have changed. unread: how many members of an
    archive are no files with content of their own, by what they are, such as `link`.
    """

    place: str
    names: Sequence[str]
    folders: Sequence[str]
    read: Callable[[str, int | None], bytes]
    state: Callable[[Sequence[str]], Any]
    unread: Counter[str] = field(default_factory=Counter)


def merged(place: str, trees: Sequence[FileTree]) -> FileTree:
    """The files of several trees, such as the shards of one data set; raises DataError.

    Their names must differ.
    """
    owners: dict[str, FileTree] = {}
    for tree in trees:
        for name in tree.names:
            if owners.setdefault(name, tree) is not tree:
                raise DataError(f"{owners[name].place} and {tree.place} both contain {name}")

    def state(names: Sequence[str]) -> Any:
        return [(tree.place, tree.state(names)) for tree in trees]

    folders = sorted({folder for tree in trees for folder in tree.folders})
    unread = sum((tree.unread for tree in trees), Counter[str]())

    def read(name: str, limit: int | None) -> bytes:
        return owners[name].read(name, limit)

    return FileTree(place, list(owners), folders, read, state, unread)


def is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def is_hidden(name: str) -> bool:
    """Whether a path has a component that is hidden or that an operating system added."""
    return any(part.startswith(".") or part in NOT_FILES for part in PurePosixPath(name).parts)


def pictures_of(tree: FileTree, split: str, splits: str = AUTO) -> Source:
    """The pictures of one split of a tree; raises DataError if there are none.

    split: "train" or "test". splits: the option `DataOptions.split`.
    """
    pictures = in_order(filter(is_picture, tree.names))
    if not pictures:
        found = f" but {kinds_of(tree.names, tree.unread)}" if tree.names or tree.unread else ""
        raise DataError(
            f"--data is {tree.place}; it contains no images{found}; images are {' '.join(SUFFIXES)}"
        )
    layout = find_layout(tree.place, pictures, tree.folders, split, splits)
    paths = [layout.root + name for name in layout.names]

    def picture(index: int) -> Image.Image:
        return open_picture(tree.read(paths[index], None))

    def header(index: int) -> Image.Image:
        return open_picture(tree.read(paths[index], HEADER_BYTES))

    source = Source(picture=picture, header=header, **found_in(tree, layout, is_picture))
    return replace(source, notes=(*note_masks(layout.names), *source.notes))


def found_in(
    tree: FileTree, layout: Layout, is_read: Callable[[str], bool], noun: str = "images"
) -> dict[str, Any]:
    """The fields of a `Source` that do not depend on what its files hold.

    is_read: whether a file is one of those that are read.
    """
    labels = _labels_file(tree, layout)
    return {
        "place": tree.place,
        "state": tree.state([layout.root + name for name in layout.names]),
        "names": layout.names,
        "classes": lambda: _classes(tree, layout),
        "labels_file": labels,
        "prefix": layout.root,
        "others": layout.others,
        "notes": (*layout.notes, *passed_over(tree, labels, is_read, noun)),
        "noun": noun,
    }


def _labels_file(tree: FileTree, layout: Layout) -> tuple[str, bytes] | None:
    """The labels file in the folder of the pictures, or in the next one above it."""
    names = set(tree.names)
    for folder in ancestors(layout.root):
        for name in LABELS_FILES:
            if folder + name in names:
                return name, _read(tree, folder + name)
    return None


def _classes(tree: FileTree, layout: Layout) -> Sequence[str] | None:
    """The class of each picture by its .cls file, or by its folder."""
    names = set(tree.names)
    beside = [layout.root + _class_file(name) for name in layout.names]
    if names.isdisjoint(beside):
        return classes_of(tree.place, layout)
    if missing := [name for name in beside if name not in names]:
        raise DataError(f"{tree.place} has no {missing[0]}; add it, or pass --labels none")
    return [_read(tree, name).decode("utf-8", "replace").strip() for name in beside]


def _class_file(name: str) -> str:
    """The file with a picture's class; WebDataset cuts the picture's name at the first dot."""
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0] + CLASS_SUFFIX


def _read(tree: FileTree, name: str) -> bytes:
    try:
        return tree.read(name, None)
    except Exception as error:  # zipfile raises many types for damaged archives
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{tree.place}/{name} cannot be read: {reason}") from error


def passed_over(
    tree: FileTree,
    labels: tuple[str, bytes] | None,
    is_read: Callable[[str], bool],
    noun: str = "images",
) -> Iterable[str]:
    """One note on the files that are neither read nor labels."""
    used = {labels[0]} if labels else set()
    classes = {_class_file(name) for name in tree.names if is_read(name)}
    rest = [
        name
        for name in tree.names
        if not is_read(name) and name not in classes and PurePosixPath(name).name not in used
    ]
    if rest or tree.unread:
        tables = any(PurePosixPath(name).suffix.lower() in TABLES for name in rest)
        hint = "; --labels FILE reads classes from one" if tables and not labels else ""
        if any(name.endswith(CLASS_SUFFIX) for name in rest):
            hint += f"; a {CLASS_SUFFIX} file is named as its {noun[:-1]} up to the first dot"
        yield f"passed over {kinds_of(rest, tree.unread)}, which are not read as {noun}{hint}"


def kinds_of(names: Iterable[str], unread: Mapping[str, int] | None = None) -> str:
    """Files counted by suffix, and some by name; unread: as of `FileTree`."""
    suffixes: Counter[str] = Counter()
    named: list[str] = []
    for name in names:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in NAMED_SUFFIXES and len(named) < NAMED:
            named.append(name)
        else:
            suffixes[suffix or "without suffix"] += 1
    counted = [f"{count:,} {suffix}" for suffix, count in suffixes.most_common(2 * NAMED)]
    other = [f"{count:,} {kind}{'s' * (count > 1)}" for kind, count in (unread or {}).items()]
    more = ["more"] if len(suffixes) > len(counted) else []
    return ", ".join([*counted, *other, *named, *more])
