"""A generated image with the parameters that reproduce it."""

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import PIL.Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GeneratedImage:
    """The bytes of a PNG file; model, version, seed, index and label reproduce the image.

    `seed` is None if latents were given. `label` is the class index, or None for a model without
    classes.
    """

    png: bytes = field(repr=False)
    seed: int | None
    index: int
    label: int | None
    model: str
    version: int

    def pil(self) -> PIL.Image.Image:
        """The decoded image in mode L, RGB or RGBA."""
        image = PIL.Image.open(io.BytesIO(self.png), formats=("PNG",))
        image.load()
        return image

    def array(self) -> "NDArray[np.uint8]":
        """The pixels, uint8 `[height, width, channels]`; needs NumPy (the extra `arrays`)."""
        import numpy as np  # optional dependency

        pixels = np.asarray(self.pil())
        return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
