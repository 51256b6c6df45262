"""Shards as Parquet, read back by pyarrow and by Hugging Face `datasets`."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mirage.client import Client
from mirage.client.__main__ import main
from mirage.client.bulk.parquet_shards import ROW_GROUP_BYTES, ParquetShards
from mirage.client.errors import DatasetError
from mirage.client.image import GeneratedImage
from mirage.client.record import parse_record
from tests.client.bulk.draws import draw, files
from tests.client.test_record import RECORD

pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
pq = pytest.importorskip("pyarrow.parquet")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def whole(models_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole")
    assert draw(models_root, output, "--format", "parquet") == 0
    return output


def images(span: range, png: bytes) -> Iterator[GeneratedImage]:
    for index in span:
        yield GeneratedImage(png, seed=7, index=index, label=None, model="toy", version=1)


def test_has_the_images_of_a_server_with_labels_and_indices(whole: Path, client: Client) -> None:
    table = pq.read_table(whole / "images-000001.parquet")
    assert table.column_names == ["image", "label", "index"]
    expected = client.generate(7, seed=7, index=7, labels=[7, 8, 9, 0, 1, 2, 3])
    rows = table.to_pylist()
    assert [row["image"]["bytes"] for row in rows] == [image.png for image in expected]
    assert [row["label"] for row in rows] == [image.label for image in expected]
    assert [row["index"] for row in rows] == list(range(7, 14))


def test_the_record_names_the_version_of_pyarrow(whole: Path) -> None:
    record = parse_record((whole / "images.mirage.json").read_bytes(), "record")
    assert record.runtime["pyarrow"] == pyarrow.__version__


def test_parts_make_the_same_bytes(models_root: Path, whole: Path, tmp_path: Path) -> None:
    for part in range(2):
        options = ("--format", "parquet", "--part", str(part), "--of", "2")
        assert draw(models_root, tmp_path, *options) == 0
    assert files(tmp_path) == files(whole)


def test_is_smaller_than_a_tar(whole: Path, models_root: Path, tmp_path: Path) -> None:
    assert draw(models_root, tmp_path) == 0
    tar, parquet = tmp_path / "images-000000.tar", whole / "images-000000.parquet"
    assert parquet.stat().st_size < tar.stat().st_size / 2
    with tarfile.open(tar) as archive:
        png = archive.extractfile("000003.png").read()
    assert pq.read_table(parquet).to_pylist()[3]["image"]["bytes"] == png


def test_datasets_of_hugging_face_show_images_and_classes(whole: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    schema = pq.read_schema(whole / "images-000000.parquet")
    features = datasets.Features.from_arrow_schema(schema)
    assert isinstance(features["image"], datasets.Image)
    assert features["label"].names == [str(digit) for digit in range(10)]


def test_a_model_without_classes_has_no_labels() -> None:
    file = io.BytesIO()
    shards = ParquetShards(replace(RECORD, labels=(), classes=()))
    shards.write(file, images(range(3), b"png"))
    assert pq.read_schema(file).names == ["image", "index"]


def test_row_groups_have_bounded_size() -> None:
    file = io.BytesIO()
    ParquetShards(RECORD).write(file, images(range(5), bytes(ROW_GROUP_BYTES // 2)))
    assert pq.ParquetFile(file).metadata.num_row_groups == 3


def test_verifies(whole: Path, tmp_path: Path, capsys: Captured) -> None:
    for name, data in files(whole).items():
        (tmp_path / name).write_bytes(data)
    words = ["draw", "--verify", "-o", str(tmp_path), "--processes", "1"]
    assert main(words) == 0
    path = tmp_path / "images-000002.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    assert main(words) == 3
    assert "images-000002.parquet is damaged: it cannot be read" in capsys.readouterr().err
    place = content.index(b"IDAT") + 8
    path.write_bytes(content[:place] + b"?" + content[place + 1 :])
    assert main(words) == 3
    assert "images-000002.parquet is damaged: image 14 is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "record", "message"),
    [
        (range(7, 13), RECORD, "it has 6 images, not 7"),
        (range(8, 15), RECORD, "an image from 7 to 13 is missing"),
        (range(7, 14), replace(RECORD, labels=(0, 2)), "a label of the images 7 to 13 differs"),
        (range(7, 14), replace(RECORD, classes=("x", "y", "z")), "its columns or classes are"),
    ],
)
def test_names_what_differs(written: range, record: object, message: str, client: Client) -> None:
    (image,) = client.generate(1, seed=7)
    file = io.BytesIO()
    ParquetShards(record).write(file, images(written, image.png))  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=message):
        ParquetShards(RECORD).check(file, range(7, 14))
