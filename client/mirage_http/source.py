"""Where the images of a dataset come from: a server, or this process."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from .item import GeneratedFile
from .responses import Model, ModelDetail


class Source(Protocol):
    """What a dataset needs of a client."""

    def models(self) -> Sequence[Model]:
        """All models."""

    def model(self, name: str) -> ModelDetail:
        """One model, with its versions in memory."""

    def stream_files(
        self,
        count: int,
        *,
        seed: int | None = None,
        index: int = 0,
        labels: Callable[[int], int] | None = None,
        truncation: float | None = None,
        model: str | None = None,
        version: int | None = None,
    ) -> Iterator[GeneratedFile]:
        """Generate files and yield them in order of their indices, with bounded memory.

        labels: the class index of the image with an index; default: drawn.
        """
