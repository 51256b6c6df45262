"""The layout of a folder or archive: where its pictures, its splits and its classes are."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mirage.training.data.options import AUTO, NONE
from mirage.training.errors import DataError

TRAIN, TEST, OTHER = "train", "test", "other"
ROLES = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("test", "testing", "testset"), TEST),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), OTHER),
    **dict.fromkeys(("pred", "prediction", "unlabeled", "unlabelled"), OTHER),
}
"""Words that mark the folder of a split, and what the split is for; OTHER is not read."""
COMPANIONS = {
    "mask",
    "masks",
    "annotation",
    "annotations",
    "segmentation",
    "depth",
    "label",
    "labels",
}
"""Words that mark the folder of pictures that belong to those of another one."""
MEANING = {TRAIN: "training", TEST: "test"}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
DRIVE = re.compile("[A-Za-z]:")
LISTED = 5
"""Folders listed by name."""


@dataclass(frozen=True)
class Layout:
    """The pictures of one split.

    root: the folder that has them, "" or ending in a slash. names: of the pictures, relative to
    `root`, in order. folders: its direct subfolders. others: folders of other splits, each ending
    in a slash. notes: what was chosen, as sentences for people. noun: what the pictures are called,
    because they may be sounds or sequences too.
    """

    root: str
    names: Sequence[str]
    folders: Sequence[str] = ()
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    noun: str = "images"


def in_order(names: Iterable[str]) -> list[str]:
    """Sort by code points, folder by folder: independent of the locale and the file system."""
    return sorted(names, key=lambda name: name.split("/"))


def member_name(place: str, name: str) -> str:
    """A member's name with forward slashes and without `.`; "" for the archive's root.

    Raises DataError for absolute names, drives of Windows and `..`.
    """
    plain = name.replace("\\", "/")
    parts = plain.split("/")
    if plain.startswith("/") or ".." in parts or DRIVE.match(plain) or not plain.strip("/"):
        raise DataError(f"{place} names the file {name[:80]!r}, which is outside of it")
    return "/".join(part for part in parts if part not in ("", "."))


def parents_of(name: str) -> set[str]:
    """The folders that contain a file: of `a/b/c`, `a` and `a/b`."""
    parts = name.split("/")
    return {"/".join(parts[:depth]) for depth in range(1, len(parts))}


def role_of(folder: str) -> str | None:
    """What the name of a folder or file says about the split in it, or None.

    Names are read as words in any case, such as `Training`, `seg_test` or `val2017`.
    """
    found = {ROLES[word] for word in _words(folder) if word in ROLES}
    return found.pop() if len(found) == 1 else None


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def find_layout(
    place: str,
    pictures: Sequence[str],
    folders: Sequence[str],
    split: str,
    splits: str = AUTO,
    noun: str = "images",
) -> Layout:
    """Find the pictures of a split.

    pictures, folders: paths in the data, in order. split: "train" or "test"; without a test split
    both are the same. splits: TRAIN[,TEST] names the folders, `none` says that there are no splits,
    and `auto` recognises them by their names. Folders that hold nothing but one folder are skipped,
    before and after the split. noun: what the pictures are called in messages.
    Raises DataError if it is unclear whether folders are splits.
    """
    tree = _Tree(place, pictures, folders, noun)
    root = tree.descend("")
    if splits == NONE:
        return tree.layout(root)
    root, chosen = tree.recognised(root) if splits == AUTO else tree.named(root, splits)
    if not chosen:
        tree.check_inner_splits(root)
        tree.check_companions(root)
        return tree.layout(root)
    part = chosen.get(split, chosen[TRAIN])
    others = [folder for folder in tree.folders_in(root) if folder != part]
    inner = tree.descend(f"{root}{part}/")
    prefixes = tuple(f"{root}{folder}/" for folder in others)
    return tree.layout(inner, prefixes, tree.told(root, chosen))


class _Tree:
    """Pictures and folders by the folder that they are directly in."""

    def __init__(
        self, place: str, pictures: Sequence[str], folders: Sequence[str], noun: str
    ) -> None:
        self.place, self.pictures, self.noun = place, pictures, noun
        self._direct: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        self._inside: dict[str, set[str]] = {}
        for name in pictures:
            parent = name[: name.rfind("/") + 1]
            self._direct[parent] += 1
            self._total.update(["", *(f"{folder}/" for folder in parents_of(name))])
        for folder in folders:
            parent, _, last = f"/{folder}".rpartition("/")
            self._inside.setdefault(f"{parent[1:]}/" if parent else "", set()).add(last)

    def folders_in(self, root: str) -> list[str]:
        return sorted(self._inside.get(root, ()))

    def descend(self, root: str) -> str:
        """Skip folders that hold no pictures themselves, but one folder of folders."""
        while not self._direct[root] and len(inside := self.folders_in(root)) == 1:
            inner = f"{root}{inside[0]}/"
            if not role_of(inside[0]) and (self._direct[inner] or not self.folders_in(inner)):
                break  # a class
            root = inner
        return root

    def layout(self, root: str, others: tuple[str, ...] = (), *notes: str) -> Layout:
        names = [name[len(root) :] for name in self.pictures if name.startswith(root)]
        if not names:
            raise DataError(f"--data is {self.place}; {root} contains no {self.noun}")
        return Layout(root, names, self.folders_in(root), others, notes, self.noun)

    def named(self, root: str, splits: str) -> tuple[str, dict[str, str]]:
        """The folders that --split names, in `root` or in a folder that was skipped."""
        wanted = splits.split(",")
        for above in ancestors(root):
            found = self.folders_in(above)
            if set(wanted) <= set(found):
                return above, dict(zip((TRAIN, TEST), wanted, strict=False))
        found = self.folders_in(root)
        has = f"the folders {_listed(found)}" if found else "no folders"
        raise DataError(f"--split is {splits}; {self.place} has {has}")

    def recognised(self, root: str) -> tuple[str, dict[str, str]]:
        """The folders of splits by their names; empty if there are no splits."""
        found = self.folders_in(root)
        roles = {folder: role for folder in found if (role := role_of(folder))}
        rest = [name for name in found if name not in roles and self._total[f"{root}{name}/"]]
        if not roles or self._are_classes(root, roles, rest):
            return root, {}
        by_role = {
            role: [name for name, own in roles.items() if own == role] for role in (TRAIN, TEST)
        }
        if rest or len(by_role[TRAIN]) != 1 or len(by_role[TEST]) > 1:
            raise self._unclear(by_role, found)
        return root, {role: names[0] for role, names in by_role.items() if names}

    def _are_classes(self, root: str, roles: Mapping[str, str], rest: Sequence[str]) -> bool:
        """Whether a single folder is named like a split, but is a class beside other classes."""
        return (
            len(roles) == 1
            and bool(rest)
            and not any(self.folders_in(f"{root}{name}/") for name in (*roles, *rest))
        )

    def _unclear(self, by_role: Mapping[str, Sequence[str]], found: Sequence[str]) -> DataError:
        train = (by_role[TRAIN] or ["TRAIN"])[0]
        test = (by_role[TEST] or ["TEST"])[0]
        return DataError(
            f"{self.place} has the folders {_listed(found)}, of which some are named like splits "
            f"and it is unclear which to train on; pass --split {train},{test} to name the folders "
            f"of training and test {self.noun}, or --split none if they are classes"
        )

    def check_inner_splits(self, root: str) -> None:
        """Raise DataError if the folders of classes have splits of their own."""
        for folder in self.folders_in(root):
            inside = self.folders_in(f"{root}{folder}/")
            roles = {role_of(name) for name in inside}
            if TRAIN in roles and len(roles) > 1 and None not in roles:
                raise DataError(
                    f"{self.place} has the splits {_listed(inside)} in its folder {folder}; move "
                    f"them above it, as in {inside[0]}/{folder}, or pass --split none to train on "
                    f"all {self.noun}; if {folder} is no class, pass it as --data"
                )

    def check_companions(self, root: str) -> None:
        """Raise DataError if a folder seems to hold the masks of another folder's pictures."""
        masks = [name for name in self.folders_in(root) if COMPANIONS & set(_words(name))]
        if not masks:
            return
        stems: dict[str, set[str]] = {}
        for name in self.pictures:
            folder, slash, rest = name[len(root) :].partition("/")
            if slash and name.startswith(root):
                stems.setdefault(folder, set()).add(rest.rpartition(".")[0])
        for mask in masks:
            same = [name for name in stems if name != mask and stems[name] == stems.get(mask)]
            if same:
                raise DataError(
                    f"{self.place} has the folders {same[0]} and {mask} with {self.noun} of the "
                    f"same names; to train on the first, pass --data {self.place}/{root}{same[0]}, "
                    "or --split none if they are classes"
                )

    def told(self, root: str, chosen: Mapping[str, str]) -> str:
        """One sentence on the splits."""
        counts = {name: self._total[f"{root}{name}/"] for name in self.folders_in(root)}
        used = [
            f"{MEANING[role]} {self.noun} are in {folder} ({counts[folder]:,})"
            for role, folder in chosen.items()
        ]
        rest = {name: count for name, count in counts.items() if name not in chosen.values()}
        if loose := self._direct[root]:
            rest["the folder itself"] = loose
        unread = ", ".join(f"{name} ({count:,})" for name, count in rest.items() if count)
        text = ", ".join(used)
        return f"{text}; not read are those in {unread}" if unread else text


def ancestors(root: str) -> list[str]:
    """A folder, and those above it."""
    parts = root.split("/")[:-1]
    return ["".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts), -1, -1)]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def classes_of(place: str, layout: Layout) -> list[str] | None:
    """The top folder of each picture, or None if no picture is in a folder.

    Names of classes are in Unicode's normal form C. Raises DataError if only some pictures are in
    folders, or if a folder has no pictures.
    """
    tops = [name.split("/")[0] if "/" in name else None for name in layout.names]
    found = [top for top in tops if top is not None]
    if not found:
        return None
    if len(found) < len(tops):
        loose = next(name for name in layout.names if "/" not in name)
        raise DataError(
            f"{place} mixes {layout.noun} with class folders: {len(tops) - len(found):,} are in no "
            f"folder ({loose}) and {len(found):,} are; use either, or pass --labels none"
        )
    if empty := sorted(set(layout.folders) - set(found)):
        raise DataError(
            f"{place} has the class folder {empty[0]} without any {layout.noun}; "
            "remove it, or pass --labels none"
        )
    return [unicodedata.normalize("NFC", top) for top in found]
