"""The samples of a dataset in WebDataset layout: an image, its label and its parameters."""

import json

from .archive import pack_file, sample_names
from .record import Record


class Samples:
    """The files of each sample of a dataset, by their suffixes.

    Image 7 is `000007.png` (a sound `.wav`, a sequence `.txt`), with its class index in
    `000007.cls` (if the model has classes) and the parameters that reproduce it in `000007.json`.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self.suffixes = (record.suffix, *((".cls",) if record.labels else ()), ".json")

    def contents(self, index: int, data: bytes) -> list[bytes]:
        """The contents of the files of a sample."""
        caption = json.dumps(self._record.caption(index)).encode()
        label = [str(self._record.label(index)).encode()] if self._record.labels else []
        return [data, *label, caption]

    def pack(self, index: int, data: bytes) -> bytes:
        """The files of a sample in tar format."""
        names = sample_names(index, self.suffixes)
        return b"".join(map(pack_file, names, self.contents(index, data)))
