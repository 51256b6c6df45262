"""The task `translate`: pictures drawn in another style, as tiles of a job of `upscale`.

Models translate opaque pictures. Transparent ones are drawn over white, as they were in training:
the lines of another style may lie outside of what was opaque.
"""

from collections.abc import Sequence

import numpy as np

from mirage.bundle.format.manifest import Manifest
from mirage.service.media.pictures import Picture
from mirage.service.tasks.upscale import UpscaleJob

WHITE = 255


def picture_job(manifest: Manifest, pictures: Sequence[Picture], side: int) -> UpscaleJob:
    """Return the job of pictures of equal size and channels, for a model that takes pictures.

    `side` is the side of the largest tile. The job takes over the pictures.
    """
    model, channels = manifest.pictures, manifest.outputs[0].sizes[3] or 1
    assert model is not None  # the manifest of a model that takes pictures has it
    if manifest.task == "translate":
        pictures = [opaque(picture, channels) for picture in pictures]
    return UpscaleJob(pictures, model, channels, side)


def opaque(picture: Picture, channels: int) -> Picture:
    """Return a picture over white; a grey one as RGB if the model is one of colours."""
    colour, alpha = picture.colour, picture.alpha
    if channels == 3 and colour.shape[2] == 1:
        colour = colour.repeat(3, axis=2)
    if alpha is not None:
        share = alpha[:, :, None].astype(np.uint32)
        over = colour * share + WHITE * (WHITE - share)
        colour = ((over + WHITE // 2) // WHITE).astype(np.uint8)
    return Picture(colour, None, picture.icc)
