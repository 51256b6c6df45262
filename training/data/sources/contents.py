"""What the files of a folder or an archive hold: pictures, else sounds, else sequences."""

from mirage.training.data.options import AUTO
from mirage.training.data.sources.file_tree import FileTree, is_picture, pictures_of
from mirage.training.data.sources.sequences import sequences_of
from mirage.training.data.sources.sounds import is_sound, sounds_of
from mirage.training.data.sources.source import Source


def contents_of(tree: FileTree, split: str, splits: str = AUTO) -> Source:
    """The samples of one split of a tree; raises DataError if there are none.

    split: "train" or "test". splits: the option `DataOptions.split`.
    """
    return without_pictures(tree, split, splits) or pictures_of(tree, split, splits)


def without_pictures(tree: FileTree, split: str, splits: str) -> Source | None:
    """The sounds or sequences of a tree; None if it has neither, or pictures."""
    if any(map(is_picture, tree.names)):
        return None
    if any(map(is_sound, tree.names)):
        return sounds_of(tree, split, splits)
    return sequences_of(tree, split, splits)
