"""Images that a server made, with the parameters that reproduce them."""

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import PIL.Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PngImage:
    """The bytes of a PNG file."""

    png: bytes = field(repr=False)

    @property
    def data(self) -> bytes:
        """The same, as `GeneratedFile` calls it."""
        return self.png

    def pil(self) -> PIL.Image.Image:
        """The decoded image in mode L, LA, RGB or RGBA."""
        image = PIL.Image.open(io.BytesIO(self.png), formats=("PNG",))
        image.load()
        return image

    def array(self) -> "NDArray[np.uint8]":
        """The pixels, uint8 `[height, width, channels]`; needs NumPy (the extra `arrays`)."""
        import numpy as np  # optional dependency

        pixels = np.asarray(self.pil())
        return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]


@dataclass(frozen=True)
class GeneratedImage(PngImage):
    """A generated image; model, version, seed, index, label and upscale reproduce it.

    `seed` is None if latents were given. `label` is the class index, or None for a model without
    classes. `upscale` is the model that enlarged the image, as `name@version`, or None.
    """

    seed: int | None
    index: int
    label: int | None
    model: str
    version: int
    upscale: str | None = None


@dataclass(frozen=True)
class Upscaled:
    """How a picture was enlarged: the model, its version, and the factor of both sides."""

    model: str
    version: int
    scale: float


@dataclass(frozen=True)
class Interpolated:
    """What made frames: the model and its version, and the upscaler as `name@version` or None."""

    model: str
    version: int
    upscale: str | None


@dataclass(frozen=True)
class InterpolatedFrame(PngImage, Interpolated):
    """A frame between points."""


@dataclass(frozen=True)
class UpscaledPicture(PngImage, Upscaled):
    """An enlarged picture."""


@dataclass(frozen=True)
class EditedPicture(PngImage):
    """An edited picture.

    latents: of the picture before it was moved; label: their class index, or None. error: the mean
    squared difference, with values in [-1, 1], of the picture and what the model makes of them;
    typical_error: the same for images that the model has made itself.
    """

    model: str
    version: int
    latents: tuple[float, ...]
    label: int | None
    error: float
    typical_error: float
