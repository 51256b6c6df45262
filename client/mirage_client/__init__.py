"""Draws generated images from a Mirage server: retried, reproducible, any number of them."""

from mirage_client.answers import Model, ModelDetail, ModelVersion
from mirage_client.async_client import AsyncClient
from mirage_client.client import Client
from mirage_client.errors import BadAnswer, MirageError, Refused, Unreachable
from mirage_client.image import GeneratedImage
from mirage_client.order import Options

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "Client",
    "GeneratedImage",
    "MirageError",
    "Model",
    "ModelDetail",
    "ModelVersion",
    "Options",
    "Refused",
    "Unreachable",
]
