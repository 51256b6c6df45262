"""One generated image, and what makes it again."""

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import PIL.Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class GeneratedImage:
    """The bytes of a PNG file; model, version, seed, index and label make the same image again.

    `seed` is None for an image of posted latents, `label` (the class index) for a model without
    classes.
    """

    png: bytes = field(repr=False)
    seed: int | None
    index: int
    label: int | None
    model: str
    version: int

    def pil(self) -> PIL.Image.Image:
        """The image decoded: mode L, RGB or RGBA."""
        image = PIL.Image.open(io.BytesIO(self.png), formats=("PNG",))
        image.load()
        return image

    def array(self) -> "NDArray[np.uint8]":
        """The pixels, uint8 `[height, width, channels]`; needs NumPy (the extra `arrays`)."""
        import numpy as np  # the rest of the library does without

        pixels = np.asarray(self.pil())
        return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
