"""Fits a picture of any size to the images of a model."""

import numpy as np
from numpy.typing import NDArray

from mirage.bundle.format.interface import Image
from mirage.service.media.alpha import bleed_colours
from mirage.service.media.pictures import BAND_PIXELS, Picture, Plane
from mirage.service.media.resizing import resize

Pixels = NDArray[np.uint8]
LUMA = np.array([19595, 38470, 7471])  # of 65,536: ITU-R BT.601, as in Pillow


def fit_picture(picture: Picture, image: Image) -> Pixels:
    """Crop a picture to the middle, resize it, and convert its channels; returns uint8 `[H, W, C]`.

    A picture of the size and channels of `image` stays as it is. Without alpha in the model,
    transparent pictures are composited over white, as in training; without alpha in the picture, it
    is opaque.
    """
    rows, columns = _middle(picture.size, image)
    alpha = None if picture.alpha is None else picture.alpha[rows, columns]
    colour = picture.colour if image.channels < 4 else _bled(picture)
    pixels = _with_channels(colour[rows, columns], alpha, image.channels)
    del colour  # which is a copy
    if pixels.shape[:2] == (image.height, image.width):
        return np.ascontiguousarray(pixels)
    return resize(pixels, image.height, image.width, has_alpha=image.channels == 4)


def _middle(size: tuple[int, int], image: Image) -> tuple[slice, slice]:
    """Return the rows and columns of the largest middle part with the sides of an image."""
    height, width = size
    part_height = min(height, max(1, round(width * image.height / image.width)))
    part_width = min(width, max(1, round(height * image.width / image.height)))
    top, left = (height - part_height) // 2, (width - part_width) // 2
    return slice(top, top + part_height), slice(left, left + part_width)


def _bled(picture: Picture) -> Pixels:
    return picture.colour if picture.alpha is None else bleed_colours(picture.colour, picture.alpha)


def _with_channels(colour: Pixels, alpha: Plane | None, channels: int) -> Pixels:
    """Convert the channels a band of rows at a time, since what is between takes much memory."""
    height, width, given = colour.shape
    if given == channels and alpha is None:
        return colour
    pixels = np.empty((height, width, channels), np.uint8)
    rows = max(1, BAND_PIXELS // width)
    for start in range(0, height, rows):
        band = slice(start, start + rows)
        pixels[band] = _converted(colour[band], None if alpha is None else alpha[band], channels)
    return pixels


def _converted(colour: Pixels, alpha: Plane | None, channels: int) -> Pixels:
    if channels == 4:
        opacity = np.full(colour.shape[:2], 255, np.uint8) if alpha is None else alpha
        return np.dstack((_rgb(colour), opacity))
    if alpha is not None:
        opacity = alpha[:, :, None].astype(np.uint32)
        shown = colour * opacity + 255 * (255 - opacity)
        colour = ((shown + 127) // 255).astype(np.uint8)
    return _rgb(colour) if channels == 3 else _grey(colour)


def _rgb(colour: Pixels) -> Pixels:
    return colour if colour.shape[2] == 3 else colour.repeat(3, axis=2)


def _grey(colour: Pixels) -> Pixels:
    if colour.shape[2] == 1:
        return colour
    grey: Pixels = ((colour @ LUMA + 2**15) >> 16).astype(np.uint8)[:, :, None]
    return grey
