"""Which pages of other origins may call the service from a browser."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

ALLOWED_HEADERS = ("Authorization", "X-Api-Key", "Content-Type", "X-Deadline-Ms", "X-Request-Id")
EXPOSED_HEADERS = ("X-Seed", "X-Model", "Server-Timing", "Retry-After", "X-Request-Id")
PREFLIGHT_S = 3600


def allow_origins(app: ASGIApp, origins: Sequence[str]) -> CORSMiddleware:
    """Let pages of these origins call an application; keys are headers, so none needs cookies."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=ALLOWED_HEADERS,
        expose_headers=EXPOSED_HEADERS,
        max_age=PREFLIGHT_S,
    )
