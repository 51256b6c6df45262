"""What enlarges the pictures of a folder."""

from pathlib import Path
from typing import Protocol


class Enlarger(Protocol):
    """Enlarges pictures on up to `parallel` threads.

    `name` is that of the model, and `scale` None if it is unknown.
    """

    name: str
    scale: float | None
    parallel: int

    def enlarge(self, picture: Path, path: Path) -> None:
        """Write an enlarged picture.

        Raises PictureError or OSError if this picture fails, other errors if all of them would.
        """

    def stop(self) -> None:
        """Make running calls raise CancelledError soon."""

    def close(self) -> None:
        """Free the model or the connections."""
