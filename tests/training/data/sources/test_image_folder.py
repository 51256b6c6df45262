from pathlib import Path

from mirage.training.data.sources.image_folder import list_folder
from tests.training.helpers.files import png, write_tree


def test_a_link_to_a_folder_beside_it_adds_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path, {"b/1.png": png(), "c/2.png": png()})
    for link in ("a", "d"):
        (tmp_path / link).symlink_to("b")
    tree = list_folder(tmp_path)
    assert sorted(tree.names) == ["b/1.png", "c/2.png"]
    assert tree.folders == ["b", "c"]


def test_links_to_folders_that_are_not_listed_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_tree(tmp_path, {"data/.hidden/1.png": png(), "elsewhere/2.png": png()})
    (folder / "a").symlink_to(".hidden")
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "c").symlink_to(folder)
    assert sorted(list_folder(folder).names) == ["a/1.png", "b/2.png"]
