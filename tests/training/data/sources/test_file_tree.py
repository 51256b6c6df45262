import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirage.training.data.load import load_dataset
from mirage.training.data.options import DataOptions
from mirage.training.data.sources.file_tree import kinds_of
from mirage.training.errors import DataError
from tests.training.helpers.files import encode, png, ramp, write_tar, write_tree


def test_reads_every_suffix_of_jpeg(tmp_path: Path) -> None:
    picture = encode(Image.new("L", (8, 8)), "JPEG")
    folder = write_tree(
        tmp_path / "a", {f"{n}{s}": picture for n, s in enumerate((".jfif", ".JPE"))}
    )
    assert len(load_dataset(folder, cache=tmp_path)) == 2


def test_counts_and_names_what_is_passed_over(tmp_path: Path) -> None:
    files = {f"{n}.heic": b"" for n in range(3)} | {
        "a.png": png(),
        "labels.csv": b"",
        "LICENSE": b"",
    }
    data = load_dataset(write_tree(tmp_path / "data", files), cache=tmp_path)
    assert data.notes == (
        "passed over 3 .heic, 1 without suffix, labels.csv, which are not read as images; "
        "--labels FILE reads classes from one",
    )


def test_an_error_names_what_is_there_instead_of_images(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "data", {"a.heic": b"", "b.heic": b""})
    with pytest.raises(DataError, match=r"neither IDX files nor images but 2 \.heic; .*\.png"):
        load_dataset(folder, cache=tmp_path)


def test_lists_a_bounded_number_of_kinds() -> None:
    names = [f"{n}.{n}" for n in range(100)] + [f"{n}.csv" for n in range(100)]
    assert len(kinds_of(names)) < 200


@pytest.mark.parametrize("archived", [False, True])
def test_reads_classes_beside_the_pictures_of_a_webdataset(tmp_path: Path, archived: bool) -> None:
    files = {f"s/{n:03}.png": png(n) for n in range(3)}
    files |= {f"s/{n:03}.cls": f"{n % 2}\n".encode() for n in range(3)} | {"s/000.txt": b"a cat"}
    place = tmp_path / "shard.tar"
    if archived:
        write_tar(place, files)
    else:
        place = write_tree(tmp_path / "data", files)
    data = load_dataset(place, cache=tmp_path / "cache")
    assert (data.classes, data.labels.tolist()) == (("0", "1"), [0, 1, 0])
    del files["s/002.cls"]
    write_tar(tmp_path / "two.tar", files)
    with pytest.raises(DataError, match=r"has no s/002.cls; add it, or pass --labels none"):
        load_dataset(tmp_path / "two.tar", cache=tmp_path / "cache")


def test_says_which_classes_belong_to_no_picture(tmp_path: Path) -> None:
    files = {f"v{n}.0.{suffix}": png(n) for n in range(3) for suffix in ("png", "cls")}
    write_tar(tmp_path / "a.tar", files)
    data = load_dataset(tmp_path / "a.tar", cache=tmp_path)
    assert data.classes == ()
    assert data.notes == (
        "passed over 3 .cls, which are not read as images; "
        "a .cls file is named as its image up to the first dot",
    )


def test_classes_of_another_split_are_not_passed_over(tmp_path: Path) -> None:
    files = {f"{split}/{n}.png": png(n) for split in ("train", "test") for n in range(4)}
    files |= {name.replace("png", "cls"): name[-5:-4].encode() for name in files}
    write_tar(tmp_path / "a.tar", files)
    data = load_dataset(tmp_path / "a.tar", cache=tmp_path)
    assert data.classes == ("0", "1", "2", "3")
    assert not any("passed over" in note for note in data.notes)


def test_a_tar_file_holds_class_folders(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"./data/cat/1.png": png(1), "./data/dog/2.png": png(2)})
    data = load_dataset(tmp_path / "a.tar", cache=tmp_path)
    assert (data.classes, data.images[:, 0, 0, 0].tolist()) == (("cat", "dog"), [1, 2])


def test_hard_links_in_a_tar_file_are_the_files_that_they_name(tmp_path: Path) -> None:
    files = {"./a/1.png": png(1), "./a/2.png": png(2), "./.kept/3.png": png(3)}
    write_tar(tmp_path / "a.tar", files)
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        for name, target in {"b/1": "a/1", "b/2": "b/1", "b/3": ".kept/3"}.items():
            archive.addfile(link(f"./{name}.png", f"./{target}.png", tarfile.LNKTYPE))
    data = load_dataset(tmp_path / "a.tar", cache=tmp_path)
    assert (data.classes, data.labels.tolist()) == (("a", "b"), [0, 0, 1, 1, 1])
    assert data.images[:, 0, 0, 0].tolist() == [1, 2, 1, 1, 3]
    assert data.notes == ()


def test_counts_what_has_no_content_in_a_tar_file(tmp_path: Path) -> None:
    files = {"1.png": png(1), "2.png": png(2)}
    write_tar(tmp_path / "a.tar", files)
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        archive.addfile(link("3.png", "1.png", tarfile.SYMTYPE))
        archive.addfile(link("4.png", "gone.png", tarfile.LNKTYPE))
        archive.addfile(link("5.png", "", tarfile.GNUTYPE_SPARSE))
    data = load_dataset(tmp_path / "a.tar", cache=tmp_path)
    assert len(data) == 2
    assert data.notes == ("passed over 2 links, 1 sparse file, which are not read as images",)


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_rejects_tar_files_that_are_damaged_or_leave_their_folder(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"../1.png": png()})
    with pytest.raises(DataError, match="which is outside of it"):
        load_dataset(tmp_path / "a.tar", cache=tmp_path)
    write_tar(tmp_path / "b.tar.gz", {"1.png": png()}, "w:gz")
    (tmp_path / "b.tar.gz").rename(tmp_path / "b.tar")
    with pytest.raises(DataError, match="not a complete tar file without compression"):
        load_dataset(tmp_path / "b.tar", cache=tmp_path)
    write_tar(tmp_path / "c.tar", {"1.png": png()})
    with tarfile.open(tmp_path / "c.tar", "a") as archive:
        archive.addfile(tarfile.TarInfo("1.png"))
    with pytest.raises(DataError, match="two files of one name"):
        load_dataset(tmp_path / "c.tar", cache=tmp_path)


def test_a_link_to_nothing_counts_as_a_broken_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_tree(tmp_path / "data", {f"{n}.png": png(n) for n in range(9)})
    (folder / "x.png").symlink_to(tmp_path / "gone.png")
    data = load_dataset(folder, cache=tmp_path)
    assert (len(data), data.broken) == (9, 1)
    assert "left out x.png: [Errno 2] No such file" in capsys.readouterr().err


def test_a_header_may_be_longer_than_what_is_read_first(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    profile = b"x" * 60_000
    picture = encode(Image.fromarray(ramp(8, 8)), "JPEG", exif=exif, icc_profile=profile)
    folder = write_tree(tmp_path / "data", {"a.jpg": picture})
    assert load_dataset(folder, cache=tmp_path).images.shape == (1, 8, 8, 3)


def test_metadata_of_hugging_face_gives_classes(tmp_path: Path) -> None:
    files = {f"train/{n}.png": png(n) for n in range(4)} | {
        f"test/{n}.png": png() for n in range(4)
    }
    rows = [
        f'{{"file_name": "train/{n}.png", "kind": "{"ab"[n % 2]}", "id": {n}}}' for n in range(4)
    ]
    files["metadata.jsonl"] = "\n".join(rows).encode()
    folder = write_tree(tmp_path / "data", files)
    data = load_dataset(folder, cache=tmp_path)
    assert (data.classes, data.labels.tolist()) == (("a", "b"), [0, 1, 0, 1])
    assert "classes are in metadata.jsonl" in data.notes
    none = load_dataset(folder, options=DataOptions(labels="none"), cache=tmp_path)
    assert none.labels is None


def test_metadata_without_classes_are_reported(tmp_path: Path) -> None:
    files = {f"{n}.png": png(n) for n in range(3)}
    files["metadata.csv"] = b"file_name,text\n0.png,a cat\n1.png,a dog\n2.png,a bee\n"
    data = load_dataset(write_tree(tmp_path / "data", files), cache=tmp_path)
    assert data.labels is None
    assert "metadata.csv cannot be used: no column is the label (text)" in data.notes[0]
    np.testing.assert_array_equal(data.images[:, 0, 0, 0], [0, 1, 2])
