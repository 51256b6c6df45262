"""Client library for a Mirage server: generates images over HTTP, with retries and paging."""

from mirage_client.async_client import AsyncClient
from mirage_client.client import Client
from mirage_client.errors import BadAnswer, MirageError, Refused, Unreachable
from mirage_client.generate_call import Options
from mirage_client.image import GeneratedImage
from mirage_client.responses import Model, ModelDetail, ModelVersion

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
