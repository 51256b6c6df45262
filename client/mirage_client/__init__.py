"""Client library for a Mirage server: generates images and enlarges pictures, with retries."""

from mirage_client.async_client import AsyncClient
from mirage_client.client import Client
from mirage_client.errors import BadAnswer, MirageError, Refused, Unreachable
from mirage_client.generate_call import Options
from mirage_client.image import (
    GeneratedImage,
    Interpolated,
    InterpolatedFrame,
    Upscaled,
    UpscaledPicture,
)
from mirage_client.interpolate_call import InterpolateOptions
from mirage_client.responses import Model, ModelDetail, ModelVersion
from mirage_client.upscale_call import UpscaleOptions

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "Client",
    "GeneratedImage",
    "InterpolateOptions",
    "Interpolated",
    "InterpolatedFrame",
    "MirageError",
    "Model",
    "ModelDetail",
    "ModelVersion",
    "Options",
    "Refused",
    "Unreachable",
    "UpscaleOptions",
    "Upscaled",
    "UpscaledPicture",
]
