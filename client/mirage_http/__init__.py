"""Client of a Mirage server: generates images, enlarges and edits pictures, with retries."""

from .async_client import AsyncClient
from .client import Client
from .edit_call import EditOptions
from .errors import BadAnswer, MirageError, Refused, Unreachable
from .generate_call import Options
from .image import (
    EditedPicture,
    GeneratedImage,
    Interpolated,
    InterpolatedFrame,
    Upscaled,
    UpscaledPicture,
)
from .interpolate_call import InterpolateOptions
from .item import GeneratedFile
from .responses import Model, ModelDetail, ModelVersion
from .upscale_call import UpscaleOptions

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "Client",
    "EditOptions",
    "EditedPicture",
    "GeneratedFile",
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
