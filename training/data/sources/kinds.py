"""The kinds of data that --data may name, and how each is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mirage.training.data.options import AUTO
from mirage.training.data.sources.arrays import find_idx, is_idx, open_idx, open_npy, open_npz
from mirage.training.data.sources.contents import without_pictures
from mirage.training.data.sources.file_tree import (
    FileTree,
    is_picture,
    kinds_of,
    pictures_of,
)
from mirage.training.data.sources.huggingface import PREFIX, is_table, open_hub, open_parquet
from mirage.training.data.sources.image import SUFFIXES
from mirage.training.data.sources.image_folder import list_folder, only_file
from mirage.training.data.sources.layout import TRAIN, in_order, role_of
from mirage.training.data.sources.sequences import is_sequences, sequences_of
from mirage.training.data.sources.source import Source
from mirage.training.data.sources.tar_archive import open_tars
from mirage.training.data.sources.zip_archive import open_archive
from mirage.training.errors import DataError

KINDS = (
    "a folder, .zip or .tar of images, of sounds (.wav, .flac) or of sequences, a FASTA file or a "
    ".txt file of one sequence a line, a .npy, .npz, .parquet or IDX file of images, or hf:NAME "
    "for a data set of Hugging Face"
)
SHARDED = (".tar", ".parquet")
"""Files of which several may hold one split."""
PACKED = (
    *(".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".gz", ".7z", ".rar"),
)
"""Archives that must be unpacked: they have no index, so that a picture costs all before it."""
SPLIT_FILES = (".zip", ".npy", ".npz", ".tar", ".parquet")
IDX_START = (b"\0\0\x08", b"\x1f\x8b")
"""First bytes of IDX files of unsigned bytes, and of gzip."""


def open_source(data: str, split: str, labels: str = AUTO, splits: str = AUTO) -> Source:
    """Open the pictures at a path or hf:NAME.

    split: "train" or "test"; data without splits return all pictures for both. labels, splits: the
    options `labels` and `split` of `DataOptions`. Raises DataError if there is nothing to read.
    """
    if data.startswith(PREFIX):
        if splits != AUTO:
            raise DataError(f"--split is {splits}; data of Hugging Face name it as {data}@SPLIT")
        return open_hub(data, split, labels)
    path = Path(data).expanduser()
    if not data or not path.exists():
        raise DataError(f"--data is {data!r}; there is no such file or folder; it takes {KINDS}")
    if path.is_dir():
        return _open_folder(path, split, labels, splits)
    return _open_files([path], split, labels, splits)


def _open_folder(path: Path, split: str, labels: str, splits: str) -> Source:
    tree = list_folder(path)
    if not any("/" in name and is_picture(name) for name in tree.names):
        if files := _split_files(tree):
            return _open_splits(path, files, split, labels, splits)
        for folder in sorted({(path / name).parent for name in tree.names if is_idx(name)}):
            if idx := find_idx(folder, split) or find_idx(folder, TRAIN):
                return open_idx(idx)
    if other := without_pictures(tree, split, splits):
        return other
    if not any(map(is_picture, tree.names)):
        found = f" but {kinds_of(tree.names)}" if tree.names else ""
        raise DataError(
            f"--data is {path}; it contains neither IDX files nor images{found}; --data takes "
            f"{KINDS}, and images are {' '.join(SUFFIXES)}"
        )
    return pictures_of(tree, split, splits)


def _split_files(tree: FileTree) -> dict[str, list[str]]:
    """The files of the splits, such as train.zip and test.zip; empty if there are none.

    Shards without a split in their names are all for training, and so is the only archive of a
    folder, unless there are pictures beside them.
    """
    alone = not any(map(is_picture, tree.names))
    for suffix in SPLIT_FILES:
        names = [name for name in in_order(tree.names) if "/" not in name]
        names = [name for name in names if name.lower().endswith(suffix)]
        files: dict[str, list[str]] = {}
        for name in names:
            if role := role_of(Path(name).stem):
                files.setdefault(role, []).append(name)
        if names and not files and alone and (suffix in SHARDED or len(names) == 1):
            files = {TRAIN: names}
        if TRAIN in files:
            return files
    return {}


def _open_splits(
    path: Path, files: Mapping[str, Sequence[str]], split: str, labels: str, splits: str
) -> Source:
    names = files.get(split, files[TRAIN])
    others = {Path(name).stem for role in files for name in files[role]}
    inner = _open_files([path / name for name in names], split, labels, splits)
    if len(names) > 1:
        return inner
    own = Path(names[0]).stem
    prefixes = tuple(f"{other}/" for other in sorted(others - {own}))
    return replace(inner, prefix=f"{own}/{inner.prefix}", others=prefixes)


def _open_files(paths: Sequence[Path], split: str, labels: str, splits: str) -> Source:
    """Open one file, or the shards of one data set."""
    path = paths[0]
    suffix = path.suffix.lower()
    if len(paths) > 1 and suffix not in SHARDED:
        raise DataError(
            f"{path.parent} has {len(paths)} files for one split, {path.name} and "
            f"{paths[1].name}; pass one of them as --data"
        )
    match suffix:
        case ".zip":
            return open_archive(path, split, splits)
        case ".tar":
            return open_tars(paths, split, splits)
        case ".npz":
            return open_npz(path, split)
        case ".npy":
            return open_npy(path)
        case _ if is_sequences(path.name):
            if sequences := sequences_of(only_file(path), split, splits):
                return sequences
            raise DataError(f"--data is {path}; it contains no sequences")
        case _ if is_table(path.name):
            return open_parquet(paths, labels)
        case _ if _may_be_idx(path):
            return open_idx(path)
    what = "one picture" if is_picture(path.name) else "of no kind that is read"
    packed = path.name.lower().endswith(PACKED)
    hint = "; unpack it, and pass the folder" if packed else ""
    raise DataError(f"--data is {path}, which is {what}; it takes {KINDS}{hint}")


def _may_be_idx(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4)
    compressed_tar = path.name.lower().endswith((".tar.gz", ".tgz"))
    return (start.startswith(IDX_START) or "idx" in path.name) and not compressed_tar
