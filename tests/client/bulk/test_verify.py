"""`draw --verify` checks each shard, and writes the index last."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from mirage.client.__main__ import main
from mirage.client.archive import ending
from mirage.client.record import parse_record
from mirage.client.samples import Samples
from tests.client.bulk.draws import draw, files, shards

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def whole(models_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a complete dataset without an index."""
    output = tmp_path_factory.mktemp("whole")
    assert draw(models_root, output) == 0
    return files(output)


@pytest.fixture
def output(whole: dict[str, bytes], tmp_path: Path) -> Path:
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def verify(output: Path, processes: int = 1) -> int:
    return main(["draw", "--verify", "-o", str(output), "--processes", str(processes)])


@pytest.mark.parametrize("processes", [1, 2])
def test_the_index_lists_all_shards(output: Path, capsys: Captured, processes: int) -> None:
    assert verify(output, processes) == 0
    index = json.loads((output / "images.index.json").read_bytes())
    assert index["images"] == 30
    assert index["shards"] == [
        {
            "name": f"images-{shard:06}.tar",
            "first": 7 * shard,
            "images": min(7, 30 - 7 * shard),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for shard, (_, data) in enumerate(sorted(shards(output).items()))
    ]
    size = sum(map(len, shards(output).values()))
    shown = f"{output}: 30 images in 5 shards, {size} bytes; images.index.json lists them\n"
    assert capsys.readouterr().out == shown
    assert verify(output, processes) == 0


def test_names_missing_shards(output: Path, capsys: Captured) -> None:
    for shard in (1, 3):
        (output / f"images-00000{shard}.tar").unlink()
    assert verify(output) == 3
    message = "2 of 5 shards of"
    assert message in (shown := capsys.readouterr().err)
    assert "images-000001.tar is missing; images-000003.tar is missing. Remove damaged" in shown
    assert not (output / "images.index.json").exists()


def damage(path: Path, place: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        (0, "image 7 is missing or damaged"),  # the name of a file
        (124, "image 7 is missing or damaged"),  # its size
        (512 + 45, "image 7 is damaged"),  # pixels
        (1536, "image 7 is missing or damaged"),  # the class
        (-1, "it does not end after its last image"),
    ],
)
def test_says_where_a_shard_is_damaged(
    output: Path, capsys: Captured, place: int, fault: str
) -> None:
    path = output / "images-000001.tar"
    damage(path, place % path.stat().st_size, b"?")
    assert verify(output) == 3
    assert f"images-000001.tar is damaged: {fault}" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 5000])
def test_finds_a_shard_that_is_too_short(output: Path, capsys: Captured, size: int) -> None:
    path = output / "images-000004.tar"
    path.write_bytes(path.read_bytes()[:size])
    assert verify(output) == 3
    assert "images-000004.tar is damaged: image" in capsys.readouterr().err


def test_finds_shards_that_are_exchanged(output: Path) -> None:
    first, second = (output / f"images-00000{shard}.tar" for shard in (1, 2))
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    assert verify(output) == 3


def test_finds_other_pixels_by_the_hash_of_the_index(
    output: Path, models_root: Path, tmp_path_factory: pytest.TempPathFactory, capsys: Captured
) -> None:
    """All but the pixels is determined by the record."""
    assert verify(output) == 0
    other = tmp_path_factory.mktemp("other")
    assert draw(models_root, other, "--seed", "8") == 0
    samples = Samples(parse_record((output / "images.mirage.json").read_bytes(), "record"))
    with tarfile.open(other / "images-000001.tar") as tar:
        pngs = [tar.extractfile(f"{index:06}.png").read() for index in range(7, 14)]
    packed = b"".join(samples.pack(index, png) for index, png in enumerate(pngs, start=7))
    (output / "images-000001.tar").write_bytes(packed + ending(len(packed)))
    assert verify(output) == 3
    assert "images-000001.tar is not the file that images.index.json" in capsys.readouterr().err


def test_a_folder_without_a_dataset(tmp_path: Path, capsys: Captured) -> None:
    assert verify(tmp_path) == 3
    assert "has no images.plan.json, so it is not a dataset in shards" in capsys.readouterr().err
