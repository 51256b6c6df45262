"""Shards as Parquet files, which take a fraction of the bytes of tar files of small images."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import DatasetError, MissingPackage
from ..item import GeneratedFile
from ..record import Record
from .tar_shards import check_png

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

INSTALL = "pip install -e '.[parquet]' in a checkout of Mirage"
ROW_GROUP_BYTES = 2**23  # of PNG; a row group is in memory twice when it is written
ROWS = 1024  # that are read at once


class ParquetShards:
    """Writes and checks the Parquet files of a dataset.

    Columns: `image`, a struct of `bytes` (PNG) and `path` (null); `label` int64, if the model has
    classes; `index` uint64. Metadata tell Hugging Face `datasets` that these are images and
    classes: https://huggingface.co/docs/datasets/about_dataset_features. The bytes of a file depend
    on the version of pyarrow.
    """

    def __init__(self, record: Record) -> None:
        import_pyarrow()
        if record.suffix != ".png":
            raise DatasetError(
                f"{record.model} makes {record.suffix} files; Parquet shards hold images"
            )
        self._record = record
        self._schema = _schema(record)

    def write(self, file: BinaryIO, images: Iterable[GeneratedFile]) -> None:
        """Write the images of a shard, in row groups of bounded size."""
        import pyarrow.parquet

        with pyarrow.parquet.ParquetWriter(
            file,
            self._schema,
            compression="none",  # PNG is compressed
            use_dictionary=["label"],
            write_statistics=["label", "index"],
            column_encoding={"index": "DELTA_BINARY_PACKED"},
        ) as writer:
            group: list[GeneratedFile] = []
            size = 0
            for image in images:
                group.append(image)
                size += len(image.data)
                if size >= ROW_GROUP_BYTES:
                    writer.write_table(self._table(group))
                    group, size = [], 0
            if group:
                writer.write_table(self._table(group))

    def check(self, file: BinaryIO, span: range) -> None:
        """Raise DatasetError unless a file has exactly the images with the indices of `span`.

        Labels must be those of the record, and each PNG intact.
        """
        import pyarrow
        import pyarrow.parquet

        try:
            with pyarrow.parquet.ParquetFile(file) as shard:
                if not shard.schema_arrow.equals(self._schema, check_metadata=True):
                    raise DatasetError("its columns or classes are others")
                end = span.start
                for batch in shard.iter_batches(ROWS):
                    rows = batch.to_pydict()
                    self._check_rows(rows, range(end, end + batch.num_rows))
                    end += batch.num_rows
        except (OSError, pyarrow.ArrowException) as error:
            raise DatasetError(f"it cannot be read: {error}") from None
        if end != span.stop:
            raise DatasetError(f"it has {end - span.start} images, not {len(span)}")

    def _check_rows(self, rows: dict[str, list[Any]], span: range) -> None:
        if rows["index"] != list(span):
            raise DatasetError(f"an image from {span.start} to {span.stop - 1} is missing")
        if self._record.labels and rows["label"] != list(map(self._record.label, span)):
            raise DatasetError(f"a label of the images {span.start} to {span.stop - 1} differs")
        for index, image in zip(span, rows["image"], strict=True):
            check_png(index, image["bytes"] or b"")

    def _table(self, images: Sequence[GeneratedFile]) -> "pyarrow.Table":
        import numpy as np  # which the service needs too
        import pyarrow

        def column(kind: "pyarrow.DataType", *arrays: "NDArray[Any] | bytes") -> "pyarrow.Array":
            # `pyarrow.array` would import pandas if it is installed, which takes 30 MB.
            buffers = [None, *map(pyarrow.py_buffer, arrays)]
            return pyarrow.Array.from_buffers(kind, len(images), buffers)

        ends = np.zeros(len(images) + 1, np.int32)
        np.cumsum([len(image.data) for image in images], out=ends[1:])
        pngs = column(pyarrow.binary(), ends, b"".join(image.data for image in images))
        paths = pyarrow.nulls(len(images), pyarrow.string())
        columns = [pyarrow.StructArray.from_arrays([pngs, paths], fields=self._image_fields())]
        if self._record.labels:
            labels = [self._record.label(image.index) for image in images]
            columns.append(column(pyarrow.int64(), np.array(labels, np.int64)))
        indices = np.array([image.index for image in images], np.uint64)
        columns.append(column(pyarrow.uint64(), indices))
        return pyarrow.Table.from_arrays(columns, schema=self._schema)

    def _image_fields(self) -> "list[pyarrow.Field]":
        image = self._schema.field("image").type
        return [image.field(number) for number in range(image.num_fields)]


def import_pyarrow() -> str:
    """Import pyarrow; returns its version. Raises MissingPackage."""
    try:
        import pyarrow
    except ImportError as error:
        raise MissingPackage(
            f"{error.name} is not installed, which Parquet files need: run {INSTALL}"
        ) from error
    return str(pyarrow.__version__)


def _schema(record: Record) -> "pyarrow.Schema":
    import pyarrow

    parts = [pyarrow.field("bytes", pyarrow.binary()), pyarrow.field("path", pyarrow.string())]
    fields = [pyarrow.field("image", pyarrow.struct(parts))]
    features: dict[str, object] = {"image": {"_type": "Image"}}
    if record.labels:
        fields.append(pyarrow.field("label", pyarrow.int64()))
        features["label"] = {"names": list(record.classes), "_type": "ClassLabel"}
    fields.append(pyarrow.field("index", pyarrow.uint64()))
    features["index"] = {"dtype": "uint64", "_type": "Value"}
    huggingface = json.dumps({"info": {"features": features}})
    return pyarrow.schema(fields, metadata={"huggingface": huggingface})
